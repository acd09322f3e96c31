import type { Guard, Part, Write } from "../part.ts";

/**
 * Parts on their way to the writing thread: one flat list of texts and numbers, and all values in
 * one buffer that is handed over. Cloning the nested objects as they are costs both threads more
 * than all else they do for a commit.
 */
export interface PackedParts {
  readonly items: readonly (string | number)[];
  /** The values of all puts, one after the other. */
  readonly values: Uint8Array<ArrayBuffer>;
}

const GUARD_KINDS = ["absent", "present", "unchanged", "created"] as const;
const DELETE = -1;

/** Packs parts; `values` shares its memory with nobody, so it can be transferred. */
export function packParts(parts: readonly Part[]): PackedParts {
  const items: (string | number)[] = [parts.length];
  const values = new Uint8Array(valueBytes(parts));
  let offset = 0;
  for (const part of parts) {
    const { guards, writes, otherwise = [] } = part;
    items.push(guards.length, writes.length, otherwise.length);
    for (const guard of guards) {
      items.push(guard.key, GUARD_KINDS.indexOf(guard.is), revisionOf(guard));
    }
    for (const write of writes) {
      if (write.op === "delete") {
        items.push(write.key, DELETE, "");
        continue;
      }
      items.push(write.key, write.value.byteLength, write.lease ?? "");
      values.set(write.value, offset);
      offset += write.value.byteLength;
    }
    for (const key of otherwise) items.push(key);
  }
  return { items, values };
}

/** The parts again. Witnesses are left out: they concern nobody who writes. */
export function unpackParts({ items, values }: PackedParts): Part[] {
  let at = 0;
  let offset = 0;
  const number = () => items[at++] as number;
  const text = () => items[at++] as string;
  const guard = (): Guard => {
    const key = text();
    const is = GUARD_KINDS[number()] as Guard["is"];
    const revision = number();
    if (is === "unchanged") return { key, is, modRevision: revision };
    if (is === "created") return { key, is, createRevision: revision };
    return { key, is };
  };
  const write = (): Write => {
    const key = text();
    const length = number();
    const lease = text();
    if (length === DELETE) return { op: "delete", key };
    const value = values.subarray(offset, offset + length);
    offset += length;
    return lease === "" ? { op: "put", key, value } : { op: "put", key, value, lease };
  };
  return times(number(), () => {
    const [guards, writes, reads] = [number(), number(), number()];
    return {
      guards: times(guards, guard),
      writes: times(writes, write),
      otherwise: times(reads, text),
    };
  });
}

function revisionOf(guard: Guard): number {
  if (guard.is === "unchanged") return guard.modRevision;
  return guard.is === "created" ? guard.createRevision : 0;
}

function valueBytes(parts: readonly Part[]): number {
  let bytes = 0;
  for (const { writes } of parts) {
    for (const write of writes) if (write.op === "put") bytes += write.value.byteLength;
  }
  return bytes;
}

function times<T>(count: number, make: () => T): T[] {
  const list: T[] = [];
  for (let index = 0; index < count; index += 1) list.push(make());
  return list;
}
