/**
 * The few messages of etcd that the raw limit needs, written as directly as can be: from the end of
 * a buffer to its beginning, so that the length of what is nested is known when it is needed.
 */
import { filled, filledBytes, type PartTemplate } from "./mix.ts";
import type { RawPart } from "./raw-client.ts";

const BYTES_MAX = 8 * 1024 * 1024;
const LENGTH_DELIMITED = 2;

/** Field numbers, by message. */
const TXN = { compare: 1, success: 2, failure: 3 };
const OP = { range: 1, put: 2, delete: 3, txn: 4 };
const COMPARE = { result: 1, target: 2, key: 3, createRevision: 5, modRevision: 6 };
const TARGET = { create: 1, mod: 2 };
const GREATER = 1;

class Writer {
  readonly #buffer = Buffer.allocUnsafe(BYTES_MAX);
  #at = BYTES_MAX;

  /** Where the field that is written next will end. */
  get at(): number {
    return this.#at;
  }

  bytes(field: number, value: Uint8Array): void {
    const end = this.#at;
    this.#at -= value.byteLength;
    this.#buffer.set(value, this.#at);
    this.close(field, end);
  }

  text(field: number, value: string): void {
    const end = this.#at;
    this.#at -= value.length;
    this.#buffer.write(value, this.#at, "latin1");
    this.close(field, end);
  }

  number(field: number, value: number): void {
    this.#varint(value);
    this.#varint(field << 3);
  }

  /** Makes all that was written since `end` the content of a field. */
  close(field: number, end: number): void {
    this.#varint(end - this.#at);
    this.#varint((field << 3) | LENGTH_DELIMITED);
  }

  finish(): Buffer {
    const message = Buffer.from(this.#buffer.subarray(this.#at));
    this.#at = BYTES_MAX;
    return message;
  }

  #varint(value: number): void {
    const size = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
    this.#at -= size;
    for (let index = 0, rest = value; index < size; index += 1, rest >>>= 7) {
      this.#buffer[this.#at + index] = index < size - 1 ? (rest & 0x7f) | 0x80 : rest;
    }
  }
}

const writer = new Writer();

/** A commit: one transaction that holds one for each part; a single part is one by itself. */
export function txnRequest(parts: readonly RawPart[]): Buffer {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) {
    writePart(first);
    return writer.finish();
  }
  for (let index = parts.length - 1; index >= 0; index -= 1) {
    const part = parts[index];
    if (part === undefined) continue;
    const end = writer.at;
    writePart(part);
    writer.close(OP.txn, end);
    writer.close(TXN.success, end);
  }
  return writer.finish();
}

/** A page of a range, with values. */
export function rangeRequest(start: string, end: string, limit: number): Buffer {
  writer.number(3, limit);
  writer.text(2, end);
  writer.text(1, start);
  return writer.finish();
}

function writePart({ template, id }: RawPart): void {
  const idBytes = Buffer.from(id);
  for (const key of template.otherwise.toReversed()) {
    const end = writer.at;
    writer.text(1, filled(key, id));
    writer.close(OP.range, end);
    writer.close(TXN.failure, end);
  }
  for (const { key, value } of template.writes.toReversed()) {
    const end = writer.at;
    if (value !== undefined) writer.bytes(2, filledBytes(value, idBytes));
    writer.text(1, filled(key, id));
    writer.close(value === undefined ? OP.delete : OP.put, end);
    writer.close(TXN.success, end);
  }
  for (const guard of template.guards.toReversed()) writeGuard(guard, id);
}

/** "Absent" as it is; "unchanged since" as "there at all", which costs the server the same. */
function writeGuard(guard: PartTemplate["guards"][number], id: string): void {
  const end = writer.at;
  writer.number(guard.mod ? COMPARE.modRevision : COMPARE.createRevision, 0);
  writer.text(COMPARE.key, filled(guard.key, id));
  writer.number(COMPARE.target, guard.mod ? TARGET.mod : TARGET.create);
  if (!guard.absent) writer.number(COMPARE.result, GREATER);
  writer.close(TXN.compare, end);
}

/** Whether the guards of each part held. */
export function txnHeld(answer: Buffer, parts: number): readonly boolean[] {
  if (parts === 1) return [succeeded(answer)];
  const held: boolean[] = [];
  for (const op of fields(answer, 3)) {
    for (const inner of fields(op, OP.txn)) held.push(succeeded(inner));
  }
  return held;
}

/** The keys of a page. */
export function rangeKeys(answer: Buffer): readonly string[] {
  return fields(answer, 2).map((kv) => fields(kv, 1)[0]?.toString("latin1") ?? "");
}

function succeeded(txn: Buffer): boolean {
  let found = false;
  scan(txn, (field, value) => {
    if (field === 2 && typeof value === "number") found = value === 1;
  });
  return found;
}

function fields(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  scan(message, (field, value) => {
    if (field === wanted && typeof value !== "number") found.push(value);
  });
  return found;
}

function scan(message: Buffer, visit: (field: number, value: number | Buffer) => void): void {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    if ((tag & 7) === LENGTH_DELIMITED) {
      const length = varint();
      visit(tag >>> 3, message.subarray(at, at + length));
      at += length;
    } else {
      visit(tag >>> 3, varint());
    }
  }
}
