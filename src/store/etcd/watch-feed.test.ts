import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WatchBatch, WatchEvent } from "../store.ts";
import { BUFFER_BYTES_MAX, BUFFER_EVENTS_MAX, WatchFeed } from "./watch-feed.ts";

function event(modRevision: number, key = "k"): WatchEvent {
  return { type: "delete", key, modRevision };
}

function takeAll(feed: WatchFeed): WatchBatch[] {
  const batches: WatchBatch[] = [];
  for (let batch = feed.take(); batch !== undefined; batch = feed.take()) batches.push(batch);
  return batches;
}

/** Revisions with one to four events each, after revision 10. */
const histories = fc
  .array(fc.integer({ min: 1, max: 4 }), { maxLength: 30 })
  .map((sizes) =>
    sizes.flatMap((size, index) =>
      Array.from({ length: size }, (_, n) => event(11 + index, `key${n}`)),
    ),
  );

describe("feed", () => {
  test("however messages and streams are cut, each revision comes once and whole", () => {
    const steps = fc.array(fc.record({ length: fc.nat(9), breaks: fc.boolean() }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(histories, steps, (history, plan) => {
        const feed = new WatchFeed(10);
        const batches: WatchBatch[] = [];
        let at = 0;
        // After a break the server goes on at the position, with whole revisions.
        const rewind = () => {
          feed.interrupt();
          at = history.findIndex(({ modRevision }) => modRevision > feed.position);
          if (at < 0) at = history.length;
        };
        for (const { length, breaks } of plan) {
          const events = history.slice(at, at + length);
          at += events.length;
          const cuts = history[at]?.modRevision === events.at(-1)?.modRevision;
          feed.accept({ events, fragment: cuts || length % 2 === 0 });
          batches.push(...takeAll(feed));
          if (breaks) rewind();
        }
        rewind();
        feed.accept({ events: history.slice(at), fragment: false });
        batches.push(...takeAll(feed));
        expect(batches.flatMap(({ events }) => events)).toEqual(history);
        const homes = new Map<number, Set<WatchBatch>>();
        for (const batch of batches) {
          expect(batch.revision).toBe(batch.events.at(-1)?.modRevision);
          for (const { modRevision } of batch.events) {
            homes.set(modRevision, (homes.get(modRevision) ?? new Set()).add(batch));
          }
        }
        for (const home of homes.values()) expect(home.size).toBe(1);
      }),
    );
  });

  test("events at or below the position are dropped", () => {
    const feed = new WatchFeed(5);
    feed.accept({ events: [event(3), event(5), event(6)], fragment: false });
    feed.accept({ events: [event(6), event(4)], fragment: false });
    expect(takeAll(feed)).toEqual([{ revision: 6, events: [event(6)] }]);
    expect(feed.position).toBe(6);
  });

  test("progress moves the position forward, and never past a revision that is not whole", () => {
    const feed = new WatchFeed(5);
    feed.progress(8);
    feed.progress(7);
    feed.progress(9);
    expect(takeAll(feed)).toEqual([{ revision: 9, events: [] }]);
    feed.accept({ events: [event(10)], fragment: true });
    feed.progress(12);
    expect(feed.position).toBe(9);
    feed.accept({ events: [event(10, "b")], fragment: false });
    expect(takeAll(feed)).toEqual([{ revision: 10, events: [event(10), event(10, "b")] }]);
  });

  test("it is full by events or by bytes, and drained when half is taken", () => {
    const byCount = new WatchFeed(0);
    for (let revision = 1; revision <= BUFFER_EVENTS_MAX; revision += 1) {
      expect(byCount.full).toBe(false);
      byCount.accept({ events: [event(revision)], fragment: false });
    }
    expect([byCount.full, byCount.drained]).toEqual([true, false]);
    for (let taken = 0; taken < BUFFER_EVENTS_MAX / 2; taken += 1) byCount.take();
    expect([byCount.full, byCount.drained]).toEqual([false, true]);
    const byBytes = new WatchFeed(0);
    const value = new Uint8Array(BUFFER_BYTES_MAX);
    const entry = { key: "k", value, createRevision: 1, modRevision: 1, version: 1 };
    byBytes.accept({ events: [{ type: "put", key: "k", modRevision: 1, entry }], fragment: false });
    expect(byBytes.full).toBe(true);
    byBytes.take();
    expect(byBytes.drained).toBe(true);
  });
});
