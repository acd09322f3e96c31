import { readFileSync } from "node:fs";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { generateCodec } from "../../scripts/proto.mjs";
import * as codec from "../../src/store/etcd/proto/generated/etcd.ts";
import * as wire from "../../src/store/etcd/proto/wire.ts";

const PROTO = new URL("../../src/store/etcd/proto/etcd.proto", import.meta.url);
const GENERATED = new URL("../../src/store/etcd/proto/generated/etcd.ts", import.meta.url);
const { root } = protobuf.parse(readFileSync(PROTO, "utf8"), { keepCase: true });
root.resolveAll();

/**
 * The same message written by protobufjs' reflection, from and to plain objects with proto names.
 */
const CONVERSION: protobuf.IConversionOptions = { longs: String, enums: String, defaults: false };

function reflected(name: string): protobuf.Type {
  return root.lookupType(`etcdserverpb.${name}`);
}

/** The property name of the generated code. */
function property(name: string): string {
  const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return /^[A-Z]+$/.test(camel) ? camel.toLowerCase() : camel;
}

type Plain = Record<string, unknown>;

/** A value of a field twice: as the generated code has it, and as reflection has it. */
interface Both {
  readonly ours: unknown;
  readonly theirs: unknown;
}

const MAX = 2n ** 63n - 1n;
const safe = fc.oneof(
  fc.nat(),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0, 1, 127, 128, 2 ** 32, 2 ** 49, 2 ** 49 - 1, Number.MAX_SAFE_INTEGER),
);
const ascii = fc.string({ maxLength: 40 });

function scalar(field: protobuf.Field): fc.Arbitrary<Both> {
  const both = (value: unknown): Both => ({ ours: value, theirs: value });
  if (field.type === "bool") return fc.boolean().map(both);
  if (field.type === "string") return ascii.map(both);
  if (field.type === "bytes" && /^(key|range_end)$/.test(field.name)) {
    return ascii.map((text) => ({ ours: text, theirs: Buffer.from(text, "utf8") }));
  }
  if (field.type === "bytes") {
    return fc.uint8Array({ maxLength: 300 }).map((bytes) => both(Buffer.from(bytes)));
  }
  if (field.options?.jstype === "JS_STRING") {
    const most = field.type === "uint64" ? 2n ** 64n - 1n : MAX;
    return fc.bigInt({ min: 0n, max: most }).map((value) => both(String(value)));
  }
  const negative = field.name === "watch_id" ? fc.constant(-1) : fc.nat();
  return fc.oneof(safe, negative).map((value) => ({ ours: value, theirs: String(value) }));
}

function single(field: protobuf.Field, depth: number): fc.Arbitrary<Both> {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Enum) {
    return fc
      .constantFrom(...Object.keys(resolvedType.values))
      .map((name) => ({ ours: name, theirs: name }));
  }
  return resolvedType instanceof protobuf.Type ? message(resolvedType, depth - 1) : scalar(field);
}

/** Messages with any of their fields, at most one of each oneof, nested up to `depth`. */
function message(type: protobuf.Type, depth: number): fc.Arbitrary<Both> {
  const fields = type.fieldsArray.filter(
    ({ resolvedType }) => depth > 0 || !(resolvedType instanceof protobuf.Type),
  );
  const entries = fields.map((field) => {
    const value = single(field, depth);
    const many = fc.array(value, { maxLength: 3 }).map((items) => ({
      ours: items.map(({ ours }) => ours),
      theirs: items.map(({ theirs }) => theirs),
    }));
    return fc.option(field.repeated ? many : value, { nil: undefined });
  });
  const chosen = fc.array(fc.nat(), { minLength: 4, maxLength: 4 });
  return fc.tuple(chosen, ...entries).map(([choice, ...values]) => {
    const ours: Plain = {};
    const theirs: Plain = {};
    fields.forEach((field, index) => {
      const value = values[index] as Both | undefined;
      const group = field.partOf?.fieldsArray.filter((each) => fields.includes(each));
      const wanted = group && group[(choice[0] as number) % group.length] === field;
      if (value === undefined || wanted === false) return;
      ours[property(field.name)] = value.ours;
      theirs[field.name] = value.theirs;
    });
    return { ours, theirs };
  });
}

const types = root.lookup("etcdserverpb") as protobuf.Namespace;
const names = types.nestedArray.map(({ name }) => name);
const requests = names.filter((name) => name.endsWith("Request"));
const responses = names.filter((name) => name.endsWith("Response"));
const functions = codec as unknown as Record<string, (input: never) => unknown>;

/** Without what is merely absent or default: the two sides differ in how they say so. */
function essential(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(essential);
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value === null || typeof value !== "object") return String(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => [property(name), essential(member)] as const)
    .filter(([, member]) => !isDefault(member));
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isDefault(member: unknown): boolean {
  const firsts = ["", "0", "false", "PUT", "NONE", "EQUAL", "VERSION", "GET"];
  return firsts.includes(member as string) || (Array.isArray(member) && member.length === 0);
}

describe("codec", () => {
  test("the generated file is what the generator makes of etcd.proto", () => {
    const made = generateCodec(readFileSync(PROTO, "utf8"));
    expect(readFileSync(GENERATED, "utf8")).toBe(made);
  });

  test.each(requests)("%s: protobufjs reads what we write", (name) => {
    const type = reflected(name);
    fc.assert(
      fc.property(message(type, 4), ({ ours, theirs }) => {
        const bytes = functions[`encode${name}`]?.(ours as never) as Uint8Array;
        const read = type.toObject(type.decode(bytes), CONVERSION);
        expect(essential(read)).toEqual(essential(theirs));
      }),
      { numRuns: 200 },
    );
  });

  test.each(responses)("%s: we read what protobufjs writes", (name) => {
    const type = reflected(name);
    fc.assert(
      fc.property(message(type, 4), ({ ours, theirs }) => {
        const bytes = type.encode(type.fromObject(theirs as Plain)).finish();
        const read = functions[`decode${name}`]?.(bytes as never);
        expect(essential(read)).toEqual(essential(ours));
      }),
      { numRuns: 200 },
    );
  });

  test("an enum name that does not exist is refused and never becomes 0", () => {
    const compare = { key: "a", target: "MODIFIED" as codec.CompareTarget, modRevision: 7 };
    expect(() => codec.encodeTxnRequest({ compare: [compare] })).toThrow(RangeError);
  });

  test("fields that a newer server adds are skipped", () => {
    const newer = protobuf
      .parse(`syntax = "proto3"; message Header { uint64 a = 1; }
      message RangeResponse { Header header = 1; bool more = 3; bytes b = 90;
      repeated Header c = 91;
      fixed64 d = 92; fixed32 e = 93; sint64 f = 94; }`)
      .root.lookupType("RangeResponse");
    const bytes = newer
      .encode(
        newer.fromObject({ more: true, b: Buffer.alloc(9), c: [{ a: 1 }, {}], d: 1, e: 2, f: -3 }),
      )
      .finish();
    expect(codec.decodeRangeResponse(bytes)).toMatchObject({ more: true, kvs: [], count: 0 });
  });

  test("an integer beyond the safe ones is refused in both directions", () => {
    const type = reflected("RangeResponse");
    const header = { revision: String(2n ** 53n) };
    const bytes = type.encode(type.fromObject({ header })).finish();
    expect(() => codec.decodeRangeResponse(bytes)).toThrow(RangeError);
    expect(() => codec.encodeRangeRequest({ revision: 2 ** 53 })).toThrow(RangeError);
    expect(() => codec.encodeRangeRequest({ revision: Number.NaN })).toThrow(RangeError);
  });

  test("a message that is cut short is refused at every length", () => {
    const type = reflected("TxnResponse");
    const kv = {
      key: Buffer.from("key"),
      value: Buffer.alloc(20),
      mod_revision: "300",
      lease: "77",
    };
    const response_range = { kvs: [kv, kv], count: "2" };
    const whole = type
      .encode(type.fromObject({ succeeded: true, responses: [{ response_range }] }))
      .finish();
    const valid = new Set<number>();
    for (let length = 0; length <= whole.length; length += 1) {
      try {
        codec.decodeTxnResponse(whole.subarray(0, length));
        valid.add(length);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
    expect([...valid]).toEqual([0, 2, whole.length]);
  });
});

describe("keys", () => {
  test("any bytes become text that gives the same bytes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const writer = wire.createWriter();
        const text = wire.readKey(wire.createReader(writer.bytes(bytes).finish()));
        const again = wire.createWriter();
        wire.writeKey(again, text);
        expect(wire.createReader(again.finish()).bytes()).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("valid UTF-8 stays as it is, also the replacement character itself", () => {
    const text = "a/ä/€/𐍈/\ufffd";
    const writer = wire.createWriter();
    wire.writeKey(writer, text);
    expect(wire.readKey(wire.createReader(writer.finish()))).toBe(text);
  });
});
