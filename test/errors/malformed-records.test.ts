import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type App, createApp, defineTask } from "../../src/index.ts";
import { put } from "../../src/store/part.ts";
import { noteEvents } from "../queue/support/events.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";

const GOOD_TASKS = 50;
/** Too large to be copied into a ready entry. */
const LARGE = "x".repeat(8_000);
const FIRST = "00000000000000000000000000";
const PAST = "due/202001010000/1577836800000";
const PAST_DEADLINE = "deadline/202001010000/1577836800000";

/** Ways in which any record may be damaged. */
const damaged: Readonly<Record<string, Uint8Array>> = {
  empty: Buffer.from(""),
  garbage: Buffer.from("garbage"),
  "cut-off": Buffer.from('{"v":1,"id":"a'),
  list: Buffer.from("[1]"),
  null: Buffer.from("null"),
  bare: Buffer.from("{}"),
  versionless: Buffer.from('{"id":"a","name":"double"}'),
  newer: Buffer.from('{"v":2,"id":"a","name":"double"}'),
  shapes: Buffer.from('{"v":1,"id":7,"name":[],"state":{},"queues":[],"host":0,"percent":"1"}'),
  proto: Buffer.from('{"v":1,"id":"a","name":"double","__proto__":{"attempt":1}}'),
  "escaped-proto": Buffer.from('{"v":1,"id":"a","name":"double","\\u005f_proto__":{}}'),
  "bad-utf8": Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  "zero-bytes": Buffer.alloc(64),
};

/** Well-formed records that say what cannot be. */
const impossible: Readonly<Record<string, object>> = {
  "ready/default/0/0ZZZZZZZZZZZZZZZZZZZZZZZZZ0": { id: "no id", name: "double" },
  "ready/default/0/0ZZZZZZZZZZZZZZZZZZZZZZZZZ1": { id: "ä", name: "double" },
  "ready/default/0/0ZZZZZZZZZZZZZZZZZZZZZZZZZ2": { id: "x".repeat(5_000), name: "double" },
  "ready/default/0/0ZZZZZZZZZZZZZZZZZZZZZZZZZ3": { id: "a", name: "double", attempt: "1" },
  "ready/default/0/0ZZZZZZZZZZZZZZZZZZZZZZZZZ4": {
    ...{ id: "a", name: "double", queue: "a/b", priority: 77, createdAt: 1 },
  },
  "ready/default/0/0ZZZZZZZZZZZZZZZZZZZZZZZZZ5": {
    ...{ id: "a", name: "double", queue: "q", priority: 5, createdAt: 1, sequence: FIRST },
    retention: { succeededMs: "long", failedMs: {} },
  },
  "worker/half": { host: "h", pid: 1, queues: "all", kinds: [], concurrency: 1, startedAt: 1 },
  "hand/ghost/90000000": { queues: { default: "a" } },
  "hand/ghost/90000001": { queues: { default: [{}] } },
};

/** Keys that are not ours, in the midst of ours. */
const foreign = [
  ...["ready/default/0/junk", "ready/default/0/9", "ready/default/0/99999999999999999999999999999"],
  ...["task/plain", "task/a#other", "task/#spec", "task/no id#spec", "task/a#spec#spec"],
  ...["hand/junk", "hand/a/b/c/d", "worker/", "other/key", "zzz"],
  ...["due/junk", "due/202001010000/junk", `${PAST}/`, `${PAST}/no id`],
  ...["unique/double", "throttle/double/", "debounce/#", `${PAST_DEADLINE}/#throttle/double`],
  ...["expire/junk", "expire/202001010000/", "expire/202001010000/no id"],
];

/**
 * Records that are whole and name what no key could hold: read, found to be of no use, forgotten.
 */
const useless: Readonly<Record<string, object>> = {
  "hand/ghost/90000002": { queues: { default: ["", "no id", "ä", "a#spec", LARGE] } },
  "expire/202001010000/nobody": {},
  [`${PAST}/nobody`]: { id: "somebody", name: "double" },
};

const digits = (index: number) => String(index).padStart(2, "0");

/**
 * One damaged record of each sort under each prefix that workers read, before and behind the good.
 */
function damagedRecords(): Record<string, Uint8Array> {
  const records: Record<string, Uint8Array> = {};
  for (const [index, [sort, bytes]] of Object.entries(damaged).entries()) {
    const shard = index % 8;
    for (const end of [
      `0${FIRST.slice(2)}${digits(index)}`,
      `9ZZZZZZZZZZZZZZZZZZZZZZZZ${digits(index)}`,
    ]) {
      records[`ready/default/${shard}/${end}`] = bytes;
    }
    records[`worker/${sort}`] = bytes;
    records[`hand/gone-${sort}/00000001`] = bytes;
  }
  return { ...records, ...encoded(impossible) };
}

function encoded(records: Readonly<Record<string, object>>): Record<string, Uint8Array> {
  const entries = Object.entries(records);
  const bytes = (record: object) => Buffer.from(JSON.stringify({ v: 1, ...record }));
  return Object.fromEntries(entries.map(([key, record]) => [key, bytes(record)]));
}

async function putAll(app: App, records: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [key, value] of Object.entries(records)) {
    await app.store.commit([{ guards: [], writes: [put(key, value)] }]);
  }
}

const double = defineTask({
  name: "double",
  retry: { attempts: 3, backoff: "immediate" },
  run: (input: { n: number; padding?: string }) => 2 * input.n,
});
const flaky = defineTask({
  name: "flaky",
  retry: { attempts: 2, backoff: "constant", delay: "200ms" },
  run: (_: unknown, { attempt }) => {
    if (attempt === 1) throw new Error("once");
    return "at last";
  },
});

let server: EtcdServer;
let directory: string;
let opened = 0;

beforeAll(async () => {
  server = await startEtcd();
  directory = await mkdtemp(join(tmpdir(), "etask-errors-"));
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const drivers = [
  { name: "memory", url: () => "memory:" },
  { name: "embedded", url: () => `embedded:${join(directory, String(opened++))}` },
  { name: "etcd", url: () => `${server.url}/n${opened++}` },
];

describe.each(drivers)("damaged and foreign records on $name", ({ url }) => {
  const setup = () => createApp({ store: url(), tasks: [double, flaky] });

  /** All good tasks come out right. */
  async function expectGood(): Promise<void> {
    const inputs = Array.from({ length: GOOD_TASKS }, (_, n) => ({ n }));
    const handles = await double.delayMany(inputs, (_, index) => ({ priority: index % 10 }));
    const results = await Promise.all(handles.map((handle) => handle.result({ timeout: "20s" })));
    expect(results).toEqual(inputs.map(({ n }) => 2 * n));
  }

  test("those that workers find at their start are reported, left alone, and stop nobody", async () => {
    await using app = await setup();
    const records = damagedRecords();
    await putAll(app, records);
    await putAll(app, Object.fromEntries(foreign.map((key) => [key, Buffer.from("foreign")])));
    await putAll(app, encoded(useless));
    using malformed = noteEvents("etask:record:malformed");
    using failed = noteEvents("etask:loop:failed");
    await app.createWorker({ concurrency: 10 }).start();
    await expectGood();
    const expected = [...Object.keys(records), "ready/default/0/junk"];
    for (const key of expected) await malformed.wait(1, (event) => event.key === key);
    for (const { key, reason } of malformed.seen) {
      expect([...expected, ...foreign]).toContain(key);
      expect(reason.length).toBeLessThan(200);
      expect(reason).not.toContain("x".repeat(100));
    }
    for (const key of [...Object.keys(records), ...foreign]) {
      expect([key, await app.store.get(key)]).toEqual([key, expect.anything()]);
    }
    expect(failed.seen).toEqual([]);
  });

  test("those that come while a worker runs are reported and stop nobody", async () => {
    await using app = await setup();
    using malformed = noteEvents("etask:record:malformed");
    using failed = noteEvents("etask:loop:failed");
    await app.createWorker({ concurrency: 10 }).start();
    const records = damagedRecords();
    await putAll(app, records);
    await putAll(app, Object.fromEntries(foreign.map((key) => [key, Buffer.from("foreign")])));
    await expectGood();
    const watched = Object.keys(records).filter((key) => !key.startsWith("hand/"));
    for (const key of watched) await malformed.wait(1, (event) => event.key === key);
    expect(failed.seen).toEqual([]);
  });

  test("a task whose spec is damaged fails, and is not tried again", async () => {
    await using app = await setup();
    using malformed = noteEvents("etask:record:malformed");
    const handles = await double.delayMany(
      Object.keys(damaged).map(() => ({ n: 1, padding: LARGE })),
    );
    const specKeys = handles.map(({ id }) => `task/${id}#spec`);
    const records = Object.values(damaged).map((bytes, index) => [specKeys[index], bytes]);
    await putAll(app, Object.fromEntries(records));
    await app.createWorker({ concurrency: 5 }).start();
    for (const [index, handle] of handles.entries()) {
      const key = specKeys[index];
      const end = await handle.settle({ timeout: "10s" });
      expect(end).toMatchObject({ state: "failed", error: { code: "RECORD_MALFORMED" } });
      expect(end.state === "failed" && end.error.message).toContain(key);
      await malformed.wait(1, (event) => event.key === key);
      const state = await app.store.get(`task/${handle.id}#state`);
      expect(JSON.parse(String(Buffer.from(state?.value ?? "")))).toMatchObject({ attempt: 1 });
    }
  });

  test("a task whose spec is another's or gone fails, and is not tried again", async () => {
    await using app = await setup();
    const [one, two, three] = await double.delayMany([1, 2, 3].map((n) => ({ n, padding: LARGE })));
    if (!one || !two || !three) throw new Error("Three were enqueued.");
    const spec = await app.store.get(`task/${two.id}#spec`);
    await putAll(app, { [`task/${one.id}#spec`]: spec?.value ?? Buffer.from("") });
    const removed = { op: "delete", key: `task/${three.id}#spec` } as const;
    await app.store.commit([{ guards: [], writes: [removed] }]);
    await app.createWorker().start();
    expect(await two.result({ timeout: "10s" })).toBe(4);
    for (const { id } of [one, three]) {
      const key = `task/${id}#state`;
      for await (const { events } of app.store.watch(
        { start: key, end: `${key}0` },
        { after: one.revision },
      )) {
        const [last] = events.slice(-1);
        const state =
          last?.type === "put" ? JSON.parse(Buffer.from(last.entry.value).toString()) : {};
        if (state.state !== "failed") continue;
        expect(state).toMatchObject({ attempt: 1, error: { code: "RECORD_MALFORMED" } });
        break;
      }
    }
  });

  test("a damaged state or progress is reported to who looks, and hides no other task", async () => {
    await using app = await setup();
    using malformed = noteEvents("etask:record:malformed");
    const sorts = Object.values(damaged);
    const handles = await double.delayMany(sorts.map((_, n) => ({ n })));
    const ids = handles.map(({ id }) => id);
    for (const [index, id] of ids.entries()) {
      const part = index % 2 === 0 ? "state" : "progress";
      await putAll(app, { [`task/${id}#${part}`]: sorts[index] ?? Buffer.from("") });
    }
    const { id: good } = await double.delay({ n: 0 });
    await putAll(app, Object.fromEntries(foreign.map((key) => [key, Buffer.from("foreign")])));
    const seen = (await app.backend.list()).tasks.map(({ id, progress }) => [id, progress]);
    const whole = ids.filter((_, index) => index % 2 === 1);
    expect(seen).toEqual([...whole, good].sort().map((id) => [id, undefined]));
    for (const [index, id] of ids.entries()) {
      const part = index % 2 === 0 ? "state" : "progress";
      await malformed.wait(1, ({ key }) => key === `task/${id}#${part}`);
      const view = await app.backend.get(id);
      expect(view?.id).toBe(part === "state" ? undefined : id);
    }
    // A damaged progress is written over by the next one; a damaged state can never be trusted.
    await app.createWorker().start();
    for (const [index, handle] of handles.entries()) {
      if (index % 2 === 1) expect(await handle.result({ timeout: "10s" })).toBe(2 * index);
    }
  });

  test("a task whose spec is damaged while it waits for its next attempt fails", async () => {
    await using app = await setup();
    const { id, revision } = await flaky.delay(LARGE);
    const stateKey = `task/${id}#state`;
    await app.createWorker().start();
    const range = { start: stateKey, end: `${stateKey}0` };
    const seen: string[] = [];
    for await (const { events } of app.store.watch(range, { after: revision })) {
      for (const event of events) {
        if (event.type !== "put") continue;
        const { state, error } = JSON.parse(Buffer.from(event.entry.value).toString());
        seen.push(state);
        if (state === "scheduled") await putAll(app, { [`task/${id}#spec`]: Buffer.from("{}") });
        if (state === "failed") expect(error.code).toBe("RECORD_MALFORMED");
      }
      if (seen.includes("failed") || seen.includes("succeeded")) break;
    }
    expect(seen).toEqual(["running", "scheduled", "failed"]);
  });

  test("a damaged due entry still makes its task ready", async () => {
    await using app = await setup();
    const handles = await flaky.delayMany(Object.keys(damaged));
    const due = { start: "due/", end: "due0" };
    const sorts = Object.values(damaged)[Symbol.iterator]();
    await putAll(app, Object.fromEntries(foreign.map((key) => [key, Buffer.from("foreign")])));
    const stop = new AbortController();
    const spoiling = (async () => {
      const options = { after: handles[0]?.revision ?? 0, signal: stop.signal };
      for await (const { events } of app.store.watch(due, options)) {
        for (const event of events) {
          if (event.type !== "put" || event.entry.version > 1 || !/\d{13}\/./.test(event.key))
            continue;
          const { done, value } = sorts.next();
          if (done) return;
          // Only while it waits: the entry must not come back after the promotion.
          const guard = { key: event.key, is: "present" } as const;
          await app.store.commit([{ guards: [guard], writes: [put(event.key, value)] }]);
        }
      }
    })();
    await app.createWorker({ concurrency: 20 }).start();
    for (const handle of handles) expect(await handle.result({ timeout: "20s" })).toBe("at last");
    stop.abort();
    await spoiling;
  });
});
