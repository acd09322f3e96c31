// Makes what is made of .proto files: `npm run proto`. src/tasks/rpc/proto/generated/agent.ts is
// proto/etask/agent.proto as a value, which @grpc/proto-loader takes; so no file has to be found at
// run time. src/store/etcd/proto/generated/etcd.ts is the codec of etcd.proto.
//
// For the codec, protobufjs parses; the printing is ours, because what its own command line prints
// does not fit: it is JavaScript with a separate .d.ts, which `tsc` neither emits nor checks beside
// TypeScript sources; it reads every 64-bit integer as a `Long` object; and it writes a misspelt
// enum name as 0, which on etcd is another, valid comparison. This prints one strict TypeScript
// file: requests can only be written, responses only be read. test/etcd/codec.test.ts compares it
// with protobufjs' reflection.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const ETCD_SOURCE = new URL("../src/store/etcd/proto/etcd.proto", import.meta.url);
const ETCD_TARGET = new URL("../src/store/etcd/proto/generated/etcd.ts", import.meta.url);
const AGENT_SOURCE = new URL("../proto/etask/agent.proto", import.meta.url);
const AGENT_TARGET = new URL("../src/tasks/rpc/proto/generated/agent.ts", import.meta.url);

/** @returns {string} The TypeScript source of the descriptor of agent.proto's text. */
export function generateDescriptor(text) {
  const { root } = protobuf.parse(text);
  const chunks = [
    "// Made from agent.proto by scripts/proto.mjs; not edited by hand.",
    `export const agentDescriptor: object = ${JSON.stringify(root.toJSON(), null, 2)};`,
  ];
  return `${chunks.join("\n\n")}\n`;
}

/** @returns {string} The TypeScript source for a .proto text. */
export function generateCodec(text) {
  const { root } = protobuf.parse(text, { keepCase: true });
  root.resolveAll();
  const types = [];
  visit(root, (object) => {
    if (object instanceof protobuf.Type) types.push(object);
  });
  const isRequest = (type) => type.name.endsWith("Request");
  const written = closure(types.filter(isRequest));
  const read = closure(types.filter((type) => !isRequest(type) && type.name.endsWith("Response")));
  const enums = new Set();
  for (const type of [...written, ...read]) {
    for (const field of type.fieldsArray) {
      if (field.resolvedType instanceof protobuf.Enum) enums.add(field.resolvedType);
    }
  }
  const chunks = [
    "// Made from etcd.proto by scripts/proto.mjs; not edited by hand.",
    'import * as wire from "../wire.ts";',
    "const EMPTY = new Uint8Array();",
    ...[...enums].map(printEnum),
    ...types.filter((type) => written.has(type)).map(printWriter),
    ...types.filter((type) => read.has(type)).map(printReader),
  ];
  return `${chunks.join("\n\n")}\n`;
}

function visit(namespace, action) {
  for (const object of namespace.nestedArray) {
    action(object);
    if (object.nestedArray) visit(object, action);
  }
}

function closure(types) {
  const found = new Set();
  const queue = [...types];
  for (let type = queue.pop(); type; type = queue.pop()) {
    if (found.has(type)) continue;
    found.add(type);
    for (const { resolvedType } of type.fieldsArray) {
      if (resolvedType instanceof protobuf.Type) queue.push(resolvedType);
    }
  }
  return found;
}

function printEnum({ name, values }) {
  const members = Object.entries(values).map(([member, value]) => `  ${member}: ${value},`);
  const names = Object.keys(values).map((member) => `"${member}"`);
  return [
    `export type ${name} = ${names.join(" | ")};`,
    `const ${enumTable(name)}: Readonly<Record<${name}, number>> = {`,
    ...members,
    "};",
  ].join("\n");
}

function enumTable(name) {
  return `${name[0].toLowerCase()}${name.slice(1)}s`;
}

function property(field) {
  const camel = field.name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  return /^[A-Z]+$/.test(camel) ? camel.toLowerCase() : camel;
}

function isKey(field) {
  return field.type === "bytes" && (field.name === "key" || field.name === "range_end");
}

/** How a field is typed, read and written, and what it is when absent. */
function shape(field) {
  const { resolvedType, type } = field;
  if (resolvedType instanceof protobuf.Enum) {
    const table = enumTable(resolvedType.name);
    const first = Object.keys(resolvedType.values)[0];
    return {
      type: resolvedType.name,
      wire: 0,
      absent: `"${first}"`,
      read: `wire.enumName(${table}, reader.int32())`,
      write: (value) => `writer.int32(wire.enumNumber(${table}, ${value}))`,
    };
  }
  if (resolvedType instanceof protobuf.Type) {
    return {
      type: resolvedType.name,
      wire: 2,
      absent: "undefined",
      read: `read${resolvedType.name}(reader, reader.uint32() + reader.pos)`,
      write: (value) => `write${resolvedType.name}(writer.fork(), ${value}).ldelim()`,
    };
  }
  if (isKey(field)) {
    return {
      type: "string",
      wire: 2,
      absent: '""',
      read: "wire.readKey(reader)",
      write: (value) => `wire.writeKey(writer, ${value})`,
    };
  }
  return scalar(type, field.options?.jstype === "JS_STRING");
}

function scalar(type, asText) {
  const known = {
    bool: { type: "boolean", wire: 0, absent: "false" },
    string: { type: "string", wire: 2, absent: '""' },
    bytes: { type: "Uint8Array", wire: 2, absent: "EMPTY" },
  };
  if (known[type]) {
    const write = (value) => `writer.${type}(${value})`;
    return { ...known[type], read: `reader.${type}()`, write };
  }
  if (type !== "int64" && type !== "uint64") throw new Error(`No rule for the type ${type}.`);
  if (asText) {
    const read = `wire.read${type === "int64" ? "Int64" : "Uint64"}Text(reader)`;
    const write = (value) => `wire.writeInt64Text(writer, ${value})`;
    return { type: "string", wire: 0, absent: '"0"', read, write };
  }
  const write = (value) => `wire.writeSafeInteger(writer, ${value})`;
  return { type: "number", wire: 0, absent: "0", read: "wire.readSafeInteger(reader)", write };
}

function tagOf(field, { wire }) {
  return (field.id << 3) | wire;
}

function printWriter(type) {
  const { name, fieldsArray } = type;
  const members = fieldsArray.map((field) => {
    const one = shape(field).type;
    const typed = field.repeated ? `readonly ${one}[]` : one;
    return `  readonly ${property(field)}?: ${typed} | undefined;`;
  });
  const lines = fieldsArray.flatMap((field) => {
    const { write, absent, type: typed, ...rest } = shape(field);
    const value = `message.${property(field)}`;
    const tag = tagOf(field, rest);
    if (field.repeated) {
      const put = write("item");
      return [
        `  for (const item of ${value} ?? []) {`,
        `    writer.uint32(${tag});`,
        `    ${put};`,
        "  }",
      ];
    }
    // A member of a oneof is written also when it is 0: that it is there says something.
    const skipsDefault = !field.partOf && absent !== "undefined" && typed !== "Uint8Array";
    const present = `${value} !== undefined`;
    const condition = skipsDefault ? `${present} && ${value} !== ${absent}` : present;
    return [`  if (${condition}) {`, `    writer.uint32(${tag});`, `    ${write(value)};`, "  }"];
  });
  const parameter = fieldsArray.length > 0 ? "message" : "_message";
  const chunks = [
    members.length > 0
      ? `export interface ${name} {\n${members.join("\n")}\n}`
      : `export type ${name} = Readonly<Record<string, never>>;`,
    `function write${name}(writer: wire.Writer, ${parameter}: ${name}): wire.Writer {\n` +
      `${lines.map((line) => `${line}\n`).join("")}  return writer;\n}`,
  ];
  if (name.endsWith("Request")) {
    chunks.push(
      `export function encode${name}(message: ${name}): Uint8Array {\n` +
        `  return write${name}(wire.createWriter(), message).finish();\n}`,
    );
  }
  return chunks.join("\n\n");
}

function printReader(type) {
  const { name, fieldsArray } = type;
  const shapes = fieldsArray.map((field) => {
    const { absent, ...rest } = shape(field);
    const initial = field.repeated ? "[]" : absent;
    const typed = field.repeated ? `${rest.type}[]` : rest.type;
    const full = initial === "undefined" ? `${typed} | undefined` : typed;
    return { ...rest, field, name: property(field), initial, typed: full };
  });
  const cases = shapes.flatMap((each) => [
    `      case ${tagOf(each.field, each)}:`,
    each.field.repeated
      ? `        message.${each.name}.push(${each.read});`
      : `        message.${each.name} = ${each.read};`,
    "        break;",
  ]);
  const members = shapes.map((each) => `  ${each.name}: ${each.typed};`);
  const chunks = [
    `export interface ${name} {\n${members.join("\n")}\n}`,
    [
      `function read${name}(reader: wire.Reader, end: number): ${name} {`,
      `  const message: ${name} = {`,
      ...shapes.map((each) => `    ${each.name}: ${each.initial},`),
      "  };",
      "  while (reader.pos < end) {",
      "    const tag = reader.uint32();",
      "    switch (tag) {",
      ...cases,
      "      default:",
      "        reader.skipType(tag & 7);",
      "    }",
      "  }",
      "  return message;",
      "}",
    ].join("\n"),
  ];
  if (name.endsWith("Response")) {
    chunks.push(
      `export function decode${name}(bytes: Uint8Array): ${name} {\n` +
        `  return read${name}(wire.createReader(bytes), bytes.length);\n}`,
    );
  }
  return chunks.join("\n\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [source, target, generate] of [
    [ETCD_SOURCE, ETCD_TARGET, generateCodec],
    [AGENT_SOURCE, AGENT_TARGET, generateDescriptor],
  ]) {
    writeFileSync(target, generate(readFileSync(source, "utf8")));
    process.stdout.write(`wrote ${fileURLToPath(target)}\n`);
  }
}
