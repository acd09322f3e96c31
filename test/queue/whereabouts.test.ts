import { expect, test } from "vitest";
import type { WatchBatch } from "../../src/store/store.ts";
import { decodeHand, decodeReady, decodeState } from "../../src/task/decode.ts";
import { handKey, idOfDueKey, isHeartbeatKey } from "../../src/task/keyspace.ts";
import { snooze } from "../../src/task/outcome.ts";
import { isFinal, type TaskState } from "../../src/task/state.ts";
import { defineTask } from "../../src/task/task.ts";
import { dropSessions } from "./support/sessions.ts";
import { createWorld } from "./support/world.ts";

/** Where a task is to be found: the places at which somebody will come across it, or its end. */
function whereabouts(entries: ReadonlyMap<string, Uint8Array>, id: string): string[] {
  const places: string[] = [];
  for (const [key, value] of entries) {
    if (isHeartbeatKey(key)) continue;
    if (key.startsWith("ready/") && decodeReady(value).id === id) places.push("ready");
    if (key.startsWith("due/") && idOfDueKey(key) === id) places.push("due");
  }
  const record = entries.get(`task/${id}#state`);
  const state = record && decodeState(record);
  if (state?.state === "running") {
    const hand = entries.get(handKey(state.worker ?? "", state.hand ?? 0));
    const listed = hand && Object.values(decodeHand(hand).queues).flat().includes(id);
    places.push(listed ? "hand" : "nowhere");
  }
  if (state && isFinal(state.state)) places.push("ended");
  return places;
}

/** The whereabouts of a task at every revision since it was accepted, without repetition. */
function journey(log: readonly WatchBatch[], id: string): string[] {
  const entries = new Map<string, Uint8Array>();
  const steps: string[] = [];
  for (const { events } of log) {
    for (const event of events) {
      if (event.type === "put") entries.set(event.key, event.entry.value);
      else entries.delete(event.key);
    }
    const accepted = entries.has(`task/${id}#spec`);
    const places = accepted ? whereabouts(entries, id).join("+") || "nowhere" : "unknown";
    if (places !== steps.at(-1)) steps.push(places);
  }
  return steps.slice(steps.findIndex((step) => step !== "unknown"));
}

test("row 10: at no revision of its life is a task nowhere, least of all once it was taken", async () => {
  await using world = createWorld();
  const { clock } = world;
  const attempts: number[] = [];
  const task = defineTask({
    name: "wanderer",
    retry: { attempts: 5, backoff: "constant", delay: "5s" },
    run: async (_input: null, { attempt, signal }) => {
      attempts.push(attempt);
      if (attempts.length === 1) return clock.sleep(60_000, signal);
      if (attempts.length === 2) throw new Error("once more");
      if (attempts.length === 3) return snooze("5s");
      if (attempts.length === 4) return clock.sleep(60_000, signal);
      return "done";
    },
  });
  const app = await world.app([task]);
  const first = app.createWorker({ leaseTtl: "5s", drain: 0 });
  await first.start();
  const handle = await task.delay(null, { in: "5s" });
  await world.until(() => attempts.length === 1);
  await dropSessions(world, first.id);
  await world.until(() => attempts.length === 4);
  await world.drive(first.stop());
  await world.clock.advance(1_000);
  await app.createWorker().start();
  expect(await world.drive(handle.result())).toBe("done");
  expect(attempts).toEqual([1, 2, 3, 3, 3]);
  const expected = ["due", "ready", "hand", "ready", "hand", "due", "ready", "hand", "due"];
  expect(journey(world.storage.log, handle.id)).toEqual([
    ...[...expected, "ready", "hand", "ready", "hand", "ended"],
  ]);
});

test.each<[TaskState, object]>([
  ["cancelled", {}],
  ["expired", { expiresIn: "10s" }],
])("row 10: a task that waits until it is %s is nowhere else before", async (end, options) => {
  await using world = createWorld();
  const app = await world.app();
  app.createBeat().start();
  const handle = await app.enqueue("nobody", null, { in: "5s", ...options });
  await world.clock.advance(9_000);
  await handle.reschedule({ in: 500 });
  await world.clock.advance(5_000);
  if (end === "cancelled") await handle.cancel();
  expect((await handle.state()).state).toBe(end);
  expect(journey(world.storage.log, handle.id)).toEqual(["due", "ready", "due", "ready", "ended"]);
});
