import { expect, test } from "vitest";
import { put } from "../../src/store/part.ts";
import { CLAIM_KINDS, claimDeadlineKey } from "../../src/task/claim-keys.ts";
import { encodeRecord } from "../../src/task/records.ts";
import { defineTask } from "../../src/task/task.ts";
import { noteEvents } from "./support/events.ts";
import { createWorld, type World } from "./support/world.ts";

const MINUTE = { throttle: { key: "a", per: "1m" } };

/** What there is of claims, and of entries that Beat looks at for them. */
async function claims({ store }: World): Promise<string[]> {
  const { entries } = await store.range({ start: "a", end: "z" });
  return entries
    .map(({ key }) => key)
    .filter((key) => CLAIM_KINDS.some((kind) => key.includes(`${kind}/`)));
}

test("row 24: throttle creates one task in a period, however it ends, and returns its handle", async () => {
  await using world = createWorld();
  const app = await world.app();
  app.createBeat().start();
  const first = await app.enqueue("ping", 1, MINUTE);
  expect(first).toMatchObject({ created: true, enqueued: "created" });
  expect(await first.state()).toMatchObject({ throttle: { key: "a" }, unique: undefined });
  await first.cancel();
  await world.clock.advance(59_000);
  const late = await app.enqueue("ping", 2, MINUTE);
  expect(late).toMatchObject({ id: first.id, created: false, enqueued: "joined" });
  expect((await late.state()).input).toBe(1);
  await world.clock.advance(1_000);
  const second = await app.enqueue("ping", 3, MINUTE);
  expect(second.created).toBe(true);
  await world.clock.advance(59_999);
  expect(await app.enqueue("ping", 4, MINUTE)).toMatchObject({ id: second.id });
});

test("throttle: outlives its task, and a new period needs no Beat", async () => {
  await using world = createWorld();
  const app = await world.app();
  const first = await app.enqueue("ping", 1, MINUTE);
  await app.broker.remove(first.id);
  expect(await app.enqueue("ping", 2, MINUTE)).toMatchObject({ id: first.id, created: false });
  await world.clock.advance(60_001);
  expect(await app.enqueue("ping", 3, MINUTE)).toMatchObject({ created: true });
});

test("throttle: a definition's key follows from the input, and keys do not meet", async () => {
  await using world = createWorld();
  const ping = defineTask({
    name: "ping",
    throttle: { key: ({ node }) => `n/${node}`, per: "10s" },
    run: ({ node }: { node: string }) => node,
  });
  await world.app([ping]);
  const handles = await ping.delayMany([{ node: "a" }, { node: "b" }, { node: "a" }]);
  expect(handles.map(({ created }) => created)).toEqual([true, true, false]);
  expect(handles[2]?.id).toBe(handles[0]?.id);
});

test("throttle: of a hundred producers that race one creates the task, in each period", async () => {
  await using world = createWorld();
  const apps = await Promise.all(Array.from({ length: 10 }, () => world.app()));
  const seen = new Set<string>();
  for (let period = 0; period < 5; period += 1) {
    const racing = apps.flatMap((app) =>
      Array.from({ length: 10 }, (_, n) => app.enqueue("ping", n, MINUTE)),
    );
    const handles = await world.drive(Promise.all(racing));
    expect(handles.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1);
    seen.add(handles[0]?.id ?? "");
    await world.clock.advance(60_000);
  }
  expect(seen.size).toBe(5);
});

test("throttle: Beat removes a key when its period is over, and no other one", async () => {
  await using world = createWorld();
  const app = await world.app();
  await app.enqueue("ping", 1, MINUTE);
  await app.enqueue("ping", 1, { throttle: { key: "b", per: "10m" } });
  await world.clock.advance(60_000);
  // The period that follows began before a Beat saw the end of this one.
  await app.enqueue("ping", 2, MINUTE);
  app.createBeat().start();
  await world.clock.advance(5_000);
  expect((await claims(world)).filter((key) => key.startsWith("throttle/"))).toEqual([
    "throttle/ping/a",
    "throttle/ping/b",
  ]);
  await world.clock.advance(60_000);
  expect((await claims(world)).filter((key) => key.startsWith("throttle/"))).toEqual([
    "throttle/ping/b",
  ]);
  await world.clock.advance(540_000);
  expect(await claims(world)).toEqual([]);
});

test("throttle: a damaged key is reported, looked at once, and the next task's", async () => {
  await using world = createWorld();
  using malformed = noteEvents("etask:record:malformed");
  const app = await world.app();
  const records = {
    "throttle/ping/a": { id: "x", until: "soon" },
    "unique/ping/a": { id: "no id" },
    [claimDeadlineKey(1, "throttle/ping/a")]: {},
    [claimDeadlineKey(2, "unique/ping/a")]: {},
    [claimDeadlineKey(3, "debounce/ping/gone")]: {},
  };
  const writes = Object.entries(records).map(([key, record]) => put(key, encodeRecord(record)));
  await world.store.commit([{ guards: [], writes }]);
  app.createBeat().start();
  await world.clock.advance(5_000);
  expect(await claims(world)).toEqual(["throttle/ping/a", "unique/ping/a"]);
  expect(malformed.seen.map(({ key }) => key).toSorted()).toEqual([
    "throttle/ping/a",
    "unique/ping/a",
  ]);
  expect(await app.enqueue("ping", 1, MINUTE)).toMatchObject({ created: true });
  expect(await app.enqueue("ping", 1, { unique: "a" })).toMatchObject({ created: true });
});

test("throttle: a retry by hand is no new task", async () => {
  await using world = createWorld();
  const app = await world.app();
  const first = await app.enqueue("ping", 1, MINUTE);
  await first.cancel();
  await first.retry();
  expect((await first.state()).state).toBe("pending");
  expect(await app.enqueue("ping", 1, MINUTE)).toMatchObject({ id: first.id, created: false });
});
