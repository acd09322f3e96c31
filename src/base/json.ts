import { isUtf8 } from "node:buffer";
import { EtaskError, RecordMalformedError } from "./errors.ts";
import { shown } from "./options.ts";

/** Deepest nesting of a payload. */
export const JSON_DEPTH_MAX = 100;

/** A value cannot be written as JSON without loss. The message names the member by its path. */
export class NotJsonError extends EtaskError {
  readonly code = "NOT_JSON";
}

/** A payload is larger than the limit. Store it elsewhere and pass a reference. */
export class PayloadTooLargeError extends EtaskError {
  readonly code = "PAYLOAD_TOO_LARGE";
}

/**
 * Checks that `value` survives a round trip through JSON: plain objects, arrays, strings, finite
 * numbers, booleans, null, and objects with a `toJSON` method (such as `Date`).
 *
 * `what` begins the path in the message, as in `input.disks[2].size`.
 *
 * @throws NotJsonError (`NOT_JSON`) naming the first member that does not.
 */
export function requireJson(what: string, value: unknown): void {
  visit(value, what, new Set(), 0);
}

function visit(value: unknown, path: string, above: Set<object>, depth: number): void {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (Number.isFinite(value)) return;
      throw notJson(path, String(value), "JSON has no such number");
    case "object":
      if (value !== null) visitObject(value, path, above, depth);
      return;
    case "undefined":
      throw notJson(path, "undefined", "leave the member out, or use null");
    case "bigint":
      throw notJson(path, "a BigInt", "pass it as a string");
    default:
      throw notJson(path, `a ${typeof value}`, "pass data only");
  }
}

function visitObject(value: object, path: string, above: Set<object>, depth: number): void {
  if (above.has(value)) throw notJson(path, "a cycle", "an object must not contain itself");
  if (depth >= JSON_DEPTH_MAX) {
    throw notJson(path, "too deeply nested", `at most ${JSON_DEPTH_MAX} levels are allowed`);
  }
  above.add(value);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      visit(value[index], `${path}[${index}]`, above, depth + 1);
    }
  } else if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
    visit((value as { toJSON(): unknown }).toJSON(), path, above, depth + 1);
  } else {
    visitMembers(value as Record<string, unknown>, path, above, depth);
  }
  above.delete(value);
}

function visitMembers(
  value: Record<string, unknown>,
  path: string,
  above: Set<object>,
  depth: number,
): void {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw notJson(path, shown(value), "pass a plain object");
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") {
      throw notJson(`${path}.__proto__`, "a member of that name", "rename it");
    }
    visit(value[key], memberPath(path, key), above, depth + 1);
  }
}

function memberPath(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function notJson(path: string, got: string, advice: string): NotJsonError {
  return new NotJsonError(`${path} cannot be stored as JSON: it is ${got}; ${advice}.`);
}

/** UTF-8 bytes of `value` as JSON. The value must have passed {@link requireJson} or be our own. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), "utf8");
}

/**
 * Reads JSON that anybody may have written.
 *
 * @throws RecordMalformedError (`RECORD_MALFORMED`) for bad UTF-8, bad JSON, or a `__proto__`
 *   member.
 */
export function decodeJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new RecordMalformedError("The record is not valid UTF-8.");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RecordMalformedError("The record is not valid JSON.", { cause: error });
  }
  // The escaped spelling reaches the same member, so both are looked for before the costly walk.
  if (text.includes("__proto__") || text.includes("\\u005f")) rejectProto(value);
  return value;
}

/**
 * Goes without recursion: a record that somebody else wrote may be nested as deep as it is long.
 */
function rejectProto(record: unknown): void {
  const left = [record];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (value === null || typeof value !== "object") continue;
    if (Object.hasOwn(value, "__proto__")) {
      throw new RecordMalformedError('The record has a member named "__proto__".');
    }
    for (const member of Object.values(value)) left.push(member);
  }
}
