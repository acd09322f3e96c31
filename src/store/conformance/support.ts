import assert from "node:assert/strict";
import { type Part, put as putWrite, type Write } from "../part.ts";
import type { KeyRange } from "../range.ts";
import type {
  Entry,
  LeaseId,
  PartResult,
  Revision,
  Store,
  WatchBatch,
  WatchEvent,
} from "../store.ts";
import type { StoreHarness } from "./harness.ts";

/** Text as bytes. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

/** A write that puts text. */
export function put(key: string, value: string, lease?: LeaseId): Write {
  return putWrite(key, bytes(value), lease);
}

/** A part of writes alone. */
export function writes(...list: Write[]): Part {
  return { guards: [], writes: list };
}

/** Commits one part. */
export async function commitPart(store: Store, part: Part): Promise<PartResult> {
  const results = await store.commit([part]);
  assert.equal(results.length, 1);
  return results[0] as PartResult;
}

/** Commits writes without a guard and returns their revision. */
export async function write(store: Store, ...list: Write[]): Promise<Revision> {
  const result = await commitPart(store, writes(...list));
  assert.equal(result.applied, true);
  return result.revision;
}

/** The revision that the store is at. */
export async function revisionOf(store: Store): Promise<Revision> {
  return (await store.range({ start: "a", end: "b" }, { limit: 1 })).revision;
}

/** The key's value as text, or `undefined` when it is absent. */
export async function textAt(store: Store, key: string): Promise<string | undefined> {
  return text((await store.get(key))?.value);
}

/** An entry with its value as text, so that it can be compared whatever kind of bytes it holds. */
export function plain(entry: Entry | undefined): object | undefined {
  if (entry === undefined) return undefined;
  const { key, value, createRevision, modRevision, version, lease } = entry;
  return { key, value: text(value), createRevision, modRevision, version, lease };
}

/** An event as a line of text: `12 put a=1`. */
export function line(event: WatchEvent): string {
  const { type, key, modRevision } = event;
  return type === "put"
    ? `${modRevision} put ${key}=${text(event.entry.value)}`
    : `${modRevision} delete ${key}`;
}

/** Asserts that the commit is refused as invalid, and that the store is as before. */
export async function refused(store: Store, ...parts: Part[]): Promise<void> {
  const before = await revisionOf(store);
  await assert.rejects(store.commit(parts), { code: "INVALID_COMMIT", applied: "no" });
  assert.equal(await revisionOf(store), before);
}

/** Reads a watch until `count` events have come, and checks what every batch must keep. */
export async function collect(
  store: Store,
  range: KeyRange,
  after: Revision,
  count: number,
): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  let position = after;
  if (count === 0) return events;
  for await (const batch of store.watch(range, { after })) {
    checkBatch(batch, position);
    position = batch.revision;
    events.push(...batch.events);
    if (events.length >= count) break;
  }
  return events;
}

/** Asserts that a batch goes on from `position`, in order, and ends at or after its last event. */
export function checkBatch(batch: WatchBatch, position: Revision): void {
  assert.ok(batch.revision >= position, "a watch never goes back");
  let last = position;
  const seen = new Set<string>();
  for (const { key, modRevision } of batch.events) {
    assert.ok(modRevision > position, "a revision is never split over batches or repeated");
    assert.ok(modRevision >= last, "revisions come in order");
    assert.ok(!seen.has(`${modRevision} ${key}`), "a change is delivered once");
    seen.add(`${modRevision} ${key}`);
    last = modRevision;
  }
  assert.ok(batch.revision >= last, "a batch ends at or after its last event");
}

/** Events as sorted lines: within a revision their order is free. */
export function lines(events: readonly WatchEvent[]): string[] {
  const sorted = [...events].sort(
    (one, other) => one.modRevision - other.modRevision || (one.key < other.key ? -1 : 1),
  );
  return sorted.map(line);
}

/** Lets time pass, `stepMs` at a time, until the key is gone; fails when it never goes. */
export async function elapseUntilGone(
  { store, elapse }: StoreHarness,
  key: string,
  stepMs: number,
): Promise<void> {
  for (let step = 0; step < 40; step++) {
    if ((await store.get(key)) === undefined) return;
    await elapse(stepMs);
  }
  assert.fail(`${key} is still there after ${40 * stepMs} ms`);
}

/** Keys `prefix` + `0000`, `0001` …: in order of their numbers. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => prefix + String(index).padStart(4, "0"));
}

/** Puts many keys in one commit, `perPart` to a part. */
export async function putMany(
  store: Store,
  keys: readonly string[],
  value: string,
  perPart = 32,
): Promise<Revision> {
  const parts: Part[] = [];
  for (let at = 0; at < keys.length; at += perPart) {
    parts.push(writes(...keys.slice(at, at + perPart).map((key) => put(key, value))));
  }
  const results = await store.commit(parts);
  assert.ok(results.every(({ applied }) => applied));
  return results[0]?.revision ?? 0;
}
