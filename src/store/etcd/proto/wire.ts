import protobuf from "protobufjs/minimal.js";

/** Reads protobuf's wire format. */
export type Reader = protobuf.Reader;

/** Writes protobuf's wire format. */
export type Writer = protobuf.Writer;

/** A reader over `bytes`; what it returns as bytes are views, not copies. */
export function createReader(bytes: Uint8Array): Reader {
  return protobuf.Reader.create(bytes);
}

/** An empty writer. */
export function createWriter(): Writer {
  return protobuf.Writer.create();
}

/**
 * Reads an `int64` or `uint64` that must be a safe integer: revisions, counts, sizes.
 *
 * protobufjs gives `Long` objects, which cost an allocation each and invite a silent `toNumber`.
 *
 * @throws RangeError when it is not safe.
 */
export function readSafeInteger(reader: Reader): number {
  const { buf, len } = reader;
  let value = 0;
  let factor = 1;
  // Seven bytes hold 49 bits; whatever is longer, also anything negative, is rare.
  for (let at = reader.pos; at < len && factor < 2 ** 49; factor *= 128) {
    const byte = buf[at] as number;
    at += 1;
    value += (byte & 127) * factor;
    if (byte < 128) {
      reader.pos = at;
      return value;
    }
  }
  const wide = Number(BigInt.asIntN(64, readVarint(reader)));
  if (!Number.isSafeInteger(wide)) throw new RangeError(`The integer ${wide} is not safe.`);
  return wide;
}

/** Reads an `int64` as decimal text. */
export function readInt64Text(reader: Reader): string {
  return String(BigInt.asIntN(64, readVarint(reader)));
}

/** Reads a `uint64` as decimal text. */
export function readUint64Text(reader: Reader): string {
  return String(BigInt.asUintN(64, readVarint(reader)));
}

function readVarint(reader: Reader): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (reader.pos >= reader.len) throw new RangeError("The message ends within an integer.");
    const byte = reader.buf[reader.pos] as number;
    reader.pos += 1;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return value;
  }
  throw new RangeError("An integer has more than ten bytes.");
}

/** Writes a safe integer as `int64`. @throws RangeError when it is not safe. */
export function writeSafeInteger(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`The integer ${value} is not safe.`);
  writer.int64(value);
}

/**
 * Writes decimal text as `int64` or `uint64`. @throws SyntaxError or RangeError when it is none.
 */
export function writeInt64Text(writer: Writer, text: string): void {
  let rest = BigInt(text);
  if (rest < -(2n ** 63n) || rest >= 2n ** 64n) throw new RangeError(`${text} exceeds 64 bits.`);
  rest = BigInt.asUintN(64, rest);
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  writer.raw(Uint8Array.from(bytes));
}

/** The number of an enum's name. @throws RangeError for any other text: it must never become 0. */
export function enumNumber(names: Readonly<Record<string, number>>, name: string): number {
  const value = Object.hasOwn(names, name) ? names[name] : undefined;
  if (value !== undefined) return value;
  throw new RangeError(`${name} is none of ${Object.keys(names).join(", ")}.`);
}

/** The name of an enum's number. @throws RangeError when a newer server uses one that we lack. */
export function enumName<Name extends string>(
  names: Readonly<Record<Name, number>>,
  value: number,
): Name {
  for (const name in names) if (names[name] === value) return name;
  throw new RangeError(`${value} is the number of none of ${Object.keys(names).join(", ")}.`);
}

/**
 * Reads a key as text. Bytes that are not UTF-8 become lone surrogates (U+DC80 to U+DCFF), so that
 * {@link writeKey} gives the same bytes back: a page of foreign keys can be continued after any
 * key.
 */
export function readKey(reader: Reader): string {
  const bytes = reader.bytes();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  return text.includes("\ufffd") ? escapedKey(bytes) : text;
}

function escapedKey(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isCharacter(bytes.subarray(at, at + count)));
    text +=
      length === undefined
        ? String.fromCharCode(0xdc00 + (bytes[at] as number))
        : Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
    at += length ?? 1;
  }
  return text;
}

/** Whether the bytes are exactly one character of UTF-8. */
function isCharacter(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString("utf8");
  const [first, ...others] = text;
  return first !== undefined && others.length === 0 && Buffer.from(text, "utf8").equals(bytes);
}

/** Writes the key that {@link readKey} gave, or any text as UTF-8. */
export function writeKey(writer: Writer, key: string): void {
  if (!/[\udc80-\udcff]/.test(key)) writer.string(key);
  else writer.bytes(unescapedKey(key));
}

function unescapedKey(key: string): Buffer {
  const pieces = Array.from(key, (character) => {
    const code = character.charCodeAt(0);
    const escaped = character.length === 1 && code >= 0xdc80 && code <= 0xdcff;
    return escaped ? Buffer.of(code - 0xdc00) : Buffer.from(character, "utf8");
  });
  return Buffer.concat(pieces);
}
