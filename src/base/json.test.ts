import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeJson, encodeJson, JSON_DEPTH_MAX, requireJson } from "./json.ts";

const bytes = (text: string) => Buffer.from(text);
const notJson = (message: string) => expect.objectContaining({ code: "NOT_JSON", message });
const malformed = expect.objectContaining({ code: "RECORD_MALFORMED" });

test("json: whatever is accepted comes back as it was", () => {
  const plain = fc
    .jsonValue({ noUnicodeString: false })
    .filter((value) => !JSON.stringify(value).includes("__proto__"));
  fc.assert(
    fc.property(plain, (value) => {
      requireJson("input", value);
      const back: unknown = decodeJson(encodeJson(value));
      expect(back).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("json: an object that says how it is written is written that way", () => {
  const at = new Date(0);
  requireJson("input", { at, nested: [{ toJSON: () => ({ size: 1 }) }] });
  expect(decodeJson(encodeJson({ at }))).toEqual({ at: "1970-01-01T00:00:00.000Z" });
});

test.each([
  [{ disks: [0, { size: Number.NaN }] }, "input.disks[1].size cannot be stored as JSON: it is NaN"],
  [{ "a b": undefined }, 'input["a b"] cannot be stored as JSON: it is undefined'],
  [undefined, "input cannot be stored as JSON: it is undefined"],
  [{ id: 1n }, "input.id cannot be stored as JSON: it is a BigInt"],
  [[() => 1], "input[0] cannot be stored as JSON: it is a function"],
  [new Map(), "input cannot be stored as JSON: it is a value of type Map"],
  [{ toJSON: () => Symbol("x") }, "input cannot be stored as JSON: it is a symbol"],
  [JSON.parse('{"__proto__": 1}'), "input.__proto__ cannot be stored as JSON"],
])("json: %o is refused by its path", (value, message) => {
  expect(() => requireJson("input", value)).toThrow(
    notJson(expect.stringContaining(message) as unknown as string),
  );
});

test("json: the same object twice is fine, an object within itself is not", () => {
  const shared = { a: 1 };
  requireJson("input", [shared, shared]);
  const cycle: { self?: unknown } = {};
  cycle.self = [cycle];
  expect(() => requireJson("input", cycle)).toThrow(/^input\.self\[0\] .*a cycle/);
});

test("json: nesting is bounded", () => {
  const nested = (depth: number) => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level += 1) value = [value];
    return value;
  };
  requireJson("input", nested(JSON_DEPTH_MAX));
  expect(() => requireJson("input", nested(JSON_DEPTH_MAX + 1))).toThrow(/too deeply nested/);
});

test("json: the replacement character is text like any other", () => {
  const text = "caf\ufffd";
  expect(decodeJson(encodeJson({ text }))).toEqual({ text });
});

test("json: a record that is nested without end is malformed or read, and breaks nothing", () => {
  const deep = `${"[".repeat(200_000)}"\\u005f"${"]".repeat(200_000)}`;
  expect(Array.isArray(decodeJson(bytes(deep)))).toBe(true);
});

test.each([
  ["bad UTF-8", Buffer.from([0x22, 0xff, 0x22])],
  ["bad JSON", bytes("{")],
  ["nothing", bytes("")],
  ["a __proto__ member", bytes('{"a": [{"__proto__": {"admin": true}}]}')],
  ["an escaped __proto__ member", bytes('{"\\u005f_proto__": 1}')],
])("json: a record with %s is malformed", (_what, record) => {
  expect(() => decodeJson(record)).toThrow(malformed);
});

test("json: a record may lie anywhere in a larger buffer", () => {
  const whole = bytes('xx{"a":1}yy');
  expect(decodeJson(new Uint8Array(whole.buffer, whole.byteOffset + 2, 7))).toEqual({ a: 1 });
});
