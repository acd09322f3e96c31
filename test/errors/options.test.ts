import { describe, expect, test } from "vitest";
import { createApp, defineTask } from "../../src/index.ts";
import { defineApp, echo, expectInvalid, setup, unchecked } from "./options-support.ts";
import { openMemoryApp, refusal } from "./refusal.ts";

const badIds: readonly unknown[] = [
  ...["", " ", "a#b", "a b", "ä", "a\n", "a\0b", "a\\b", "a*", "/a", "-a", ".a", "_a", "@a", "a/"],
  "x".repeat(201),
  ...[7, null, {}, ["a"], Symbol("a"), Number.NaN],
];
const goodIds = ["a", "0", "Z9", "a._:@/-Z", "node-7/disk/1", "x".repeat(200)];
// As an option, null stands for the default, which a definition may have set.
const badPrefixes = [...badIds.filter((id) => id !== "a/" && id !== null), "x".repeat(151)];
const goodPrefixes = ["a", "node-7/", "a/b/c:", "x".repeat(150)];
const badNames: readonly unknown[] = [
  ...["", " ", "a/b", "a b", "ä", "a:b", "a@b", "a#b", "a\n", "-a", ".a", "__proto__"],
  ...[7, null, {}, ["a"], Symbol("a")],
];
const goodNames = ["a", "0", "_a", "a.b-c_d", "constructor", "toString"];

describe("names", () => {
  test.each(badIds)("an id that is %o is refused wherever an id is taken", async (id) => {
    await using app = await setup();
    const invalid = (act: () => unknown) =>
      expectInvalid(app, act, "id must have 1 to 200 characters out of", "got ");
    await invalid(() => echo.delay(1, { id: unchecked(id) }));
    await invalid(() =>
      echo.delayMany([1, 2], (input) => (input === 2 ? { id: unchecked(id) } : {})),
    );
    await invalid(() => app.enqueue("echo", 1, { id: unchecked(id) }));
    await invalid(() => app.enqueue("unknown.task", 1, { id: unchecked(id) }));
    await invalid(() => app.handle(unchecked(id)));
    await invalid(() => app.backend.get(unchecked(id)));
    await invalid(() => app.backend.progress(unchecked(id)));
    await invalid(() => app.backend.remove(unchecked(id)));
    await invalid(() => app.backend.update({ id: unchecked(id), fence: 1 }, { percent: 1 }));
    await invalid(() => app.backend.list({ cursor: unchecked(id) }));
    await invalid(() => app.broker.dequeue(unchecked(id)));
    await invalid(() => app.broker.update(unchecked(id), { priority: 1 }));
    await invalid(() => app.broker.remove(unchecked(id)));
  });

  test.each(goodIds)("an id that is %j is accepted", async (id) => {
    await using app = await setup();
    const handle = await echo.delay(1, { id });
    expect(handle.id).toBe(id);
    expect((await app.backend.get(id))?.id).toBe(id);
  });

  test.each(badPrefixes)("a prefix that is %o is refused", async (prefix) => {
    await using app = await setup();
    const words = ["refix must have 1 to 150 characters out of", "got "];
    const idPrefix = unchecked(prefix);
    await expectInvalid(app, () => echo.delay(1, { idPrefix }), ...words);
    await expectInvalid(app, () => defineApp({ idPrefix }), ...words);
    // Without a prefix everything is listed.
    if (prefix === "") return;
    await expectInvalid(app, () => app.backend.list({ prefix: idPrefix }), "prefix must ");
    await expectInvalid(app, () => app.backend.watch({ prefix: idPrefix }), "prefix must ");
  });

  test.each(goodPrefixes)("a prefix that is %j is accepted", async (idPrefix) => {
    await using app = await setup();
    const { id } = await echo.delay(1, { idPrefix });
    expect(id.slice(0, -26)).toBe(idPrefix);
    const { tasks } = await app.backend.list({ prefix: idPrefix });
    expect(tasks.map((task) => task.id)).toEqual([id]);
  });

  test.each([...badNames, "q".repeat(65)])("a queue that is %o is refused", async (name) => {
    await using app = await setup();
    const queue = unchecked(name);
    if (name !== null) await expectInvalid(app, () => echo.delay(1, { queue }), "queue must");
    if (name !== null) await expectInvalid(app, () => defineApp({ queue }), "queue must");
    const { id } = await echo.delay(1);
    await expectInvalid(app, () => app.broker.update(id, { queue }), "queue must");
    await expectInvalid(app, () => app.broker.list({ queue }), "queue must");
    await expectInvalid(app, () => app.createWorker({ queues: [queue] }), "queue must");
    await expectInvalid(app, () => app.createWorker({ queues: ["a", queue] }), "queue must");
  });

  test.each([...goodNames, "q".repeat(64)])("a queue named %j works", async (queue) => {
    await using app = await setup();
    const handle = await echo.delay(queue, { queue });
    await app.createWorker({ queues: [queue] }).start();
    expect(await handle.result({ timeout: "5s" })).toBe(queue);
  });

  test.each([...badNames, "t".repeat(101)])("a task name that is %o is refused", async (name) => {
    await using app = await setup();
    const task = () => defineTask({ name: unchecked(name), run: () => {} });
    await expectInvalid(
      undefined,
      () => createApp({ store: "memory:", tasks: [task()] }),
      "task name must",
    );
    await expectInvalid(app, () => app.enqueue(unchecked(name)), "task name must");
  });

  test.each([...goodNames, "t".repeat(100)])("a task named %j works", async (name) => {
    const task = defineTask({ name, run: () => name });
    await using app = await openMemoryApp({ tasks: [task] });
    const handle = await app.enqueue(name);
    await app.createWorker().start();
    expect(await handle.result({ timeout: "5s" })).toBe(name);
  });
});

describe("numbers", () => {
  test.each([-1, 10, 4.5, Number.NaN, Number.POSITIVE_INFINITY, "5", true, [5], 5n])(
    "a priority of %o is refused",
    async (value) => {
      await using app = await setup();
      const priority = unchecked(value);
      const words = ["priority must be a whole number from 0 to 9", "got "];
      await expectInvalid(app, () => echo.delay(1, { priority }), ...words);
      await expectInvalid(app, () => app.enqueue("other", 1, { priority }), ...words);
      await expectInvalid(app, () => defineApp({ priority }), ...words);
      const { id } = await echo.delay(1);
      await expectInvalid(app, () => app.broker.update(id, { priority }), ...words);
    },
  );

  test.each([0, 9])("a priority of %d is accepted", async (priority) => {
    await using app = await setup();
    const { id } = await echo.delay(1, { priority });
    expect((await app.backend.get(id))?.priority).toBe(priority);
  });

  test.each([0, -1, 1.5, 10_001, Number.NaN, "3"])("concurrency %o is refused", async (value) => {
    await using app = await setup();
    const concurrency = unchecked(value);
    const words = [
      "concurrency must be a whole number from 1 to 10000",
      `got ${JSON.stringify(value) === "null" ? "NaN" : JSON.stringify(value)}`,
    ];
    await expectInvalid(app, () => app.createWorker({ concurrency }), ...words);
  });

  test.each([1, 10_000])("concurrency %d is accepted", async (concurrency) => {
    await using app = await setup();
    await app.createWorker({ concurrency }).start();
    expect(await app.broker.workers()).toMatchObject([{ concurrency }]);
  });

  test.each([0, -1, 1.5, 1_048_577, "1"])("payloadBytesMax %o is refused", async (value) => {
    const payloadBytesMax = unchecked(value);
    const words = ["payloadBytesMax must be a whole number from 1 to 1048576"];
    await expectInvalid(
      undefined,
      () => createApp({ store: "memory:", payloadBytesMax }),
      ...words,
    );
  });

  test.each([0, -1, 1.5, 1_001, "1"])("a list limit of %o is refused", async (value) => {
    await using app = await setup();
    const limit = unchecked(value);
    const word = "limit must be a whole number from 1 to 1000";
    await expectInvalid(app, () => app.backend.list({ limit }), word);
    await expectInvalid(app, () => app.broker.list({ limit }), word);
  });

  test.each([-1, 0.5, "1"])("watching after revision %o is refused", async (value) => {
    await using app = await setup();
    await expectInvalid(app, () => app.backend.watch({ after: unchecked(value) }), "after must");
  });

  test.each([0, -1, 1.5, 1_001, "3"])("retry.attempts %o is refused", async (value) => {
    await using app = await setup();
    const retry = { attempts: unchecked(value) };
    const word = "retry.attempts must be a whole number from 1 to 1000";
    await expectInvalid(app, () => echo.delay(1, { retry }), word);
    await expectInvalid(app, () => defineApp({ retry }), word);
  });

  test.each(["50", null, Number.NaN, undefined])("a progress of %o is refused", async (value) => {
    const seen: unknown[] = [];
    const task = defineTask({
      name: "progress",
      run: async (_: unknown, ctx) => {
        for (const act of [ctx.progress, ctx.advance]) {
          seen.push(await refusal(() => act(unchecked(value))).then(({ code }) => code));
        }
      },
    });
    await using app = await openMemoryApp({ tasks: [task] });
    await app.createWorker().start();
    await (await task.delay(1)).result({ timeout: "5s" });
    expect(seen).toEqual(["INVALID_OPTIONS", "INVALID_OPTIONS"]);
    if (value === undefined) return;
    const { id } = await task.delay(1);
    const update = { percent: unchecked(value) };
    await expectInvalid(app, () => app.backend.update({ id, fence: 1 }, update), "progress must");
  });
});

describe("durations", () => {
  const malformed = [
    "",
    "5",
    "5 minutes",
    "5x",
    "m",
    "-5m",
    "1e3ms",
    "5m 3s",
    "٥m",
    {},
    [],
    true,
    5n,
    Symbol("s"),
    Number.NaN,
  ];

  test.each([...malformed, -1, "0ms", 0, "25d", Number.POSITIVE_INFINITY])(
    "a wait of %o is refused",
    async (value) => {
      await using app = await setup();
      const handle = await echo.delay(1);
      const timeout = unchecked(value);
      const words = ["timeout must be a duration between 1 ms and 2073600000 ms", "got "];
      await expectInvalid(app, () => handle.result({ timeout }), ...words);
      await expectInvalid(app, () => handle.settle({ timeout }), ...words);
    },
  );

  test.each([...malformed, 0, "1999ms", "61m", null])(
    "a lease time of %o is refused",
    async (value) => {
      await using app = await setup();
      if (value === null) return;
      const leaseTtl = unchecked(value);
      const word = "leaseTtl must be a duration between 2000 ms and 3600000 ms";
      await expectInvalid(app, () => app.createWorker({ leaseTtl }), word);
    },
  );

  test.each([...malformed, -1, "25h"])("a drain of %o is refused", async (value) => {
    await using app = await setup();
    const word = "drain must be a duration between 0 ms and 86400000 ms";
    await expectInvalid(app, () => app.createWorker({ drain: unchecked(value) }), word);
  });

  test.each([...malformed.filter((each) => typeof each !== "object"), -1, "3651d"])(
    "a retention of %o is refused",
    async (value) => {
      await using app = await setup();
      const ms = unchecked(value);
      const word = " must be a duration between 0 ms and 315360000000 ms";
      for (const retention of [ms, { succeeded: ms }, { failed: ms }]) {
        await expectInvalid(app, () => echo.delay(1, { retention }), "retention", word);
        await expectInvalid(app, () => defineApp({ retention }), "retention", word);
      }
    },
  );

  test.each([...malformed, -1, "32d"])("a retry pause of %o is refused", async (value) => {
    await using app = await setup();
    for (const member of ["delay", "max"]) {
      const retry = { attempts: 2, [member]: unchecked(value) };
      await expectInvalid(
        app,
        () => echo.delay(1, { retry }),
        `retry.${member} must be a duration`,
      );
      await expectInvalid(app, () => defineApp({ retry }), `retry.${member} must be a duration`);
    }
  });

  test("durations at the bounds are accepted", async () => {
    await using app = await setup();
    app.createWorker({ leaseTtl: "2s", drain: 0 });
    app.createWorker({ leaseTtl: "1h", drain: "1d" });
    await echo.delay(1, { retention: "1m", retry: { delay: 0, max: 0 } });
    await echo.delay(1, { retention: "3650d", retry: { delay: "1d", max: "30d" } });
  });
});

describe("lists and kinds of options", () => {
  test.each([[[]], ["default"], [{}], [Array(65).fill("q")]])(
    "queues %o are refused",
    async (given) => {
      await using app = await setup();
      const queues = unchecked(given);
      await expectInvalid(
        app,
        () => app.createWorker({ queues }),
        "queues must be a list of 1 to 64",
      );
    },
  );

  test("64 queues are accepted", async () => {
    await using app = await setup();
    app.createWorker({ queues: Array.from({ length: 64 }, (_, index) => `q${index}`) });
  });

  test("a backoff that does not exist is refused with those that do", async () => {
    await using app = await setup();
    const retry = { backoff: unchecked("fibonacci") };
    const words = [
      "retry.backoff must be one of immediate, constant, linear, exponential",
      '"fibonacci"',
    ];
    await expectInvalid(app, () => echo.delay(1, { retry }), ...words);
    await expectInvalid(app, () => defineApp({ retry }), ...words);
  });

  test("a state that does not exist is refused with those that do", async () => {
    await using app = await setup();
    const state = unchecked("done");
    await expectInvalid(app, () => app.backend.list({ state }), "succeeded", 'got "done"');
  });

  test.each([
    [["a"], "headers must be an object of texts"],
    ["a", "headers must be an object of texts"],
    [null, "headers must be an object of texts"],
    [{ a: 1 }, "headers.a must be a text; got 1"],
    [{ a: null }, "headers.a must be a text"],
    [JSON.parse('{"__proto__": "a"}'), "headers.__proto__"],
    [{ a: "x".repeat(4_096) }, "4096 bytes; got 1 members and 4097 bytes"],
    [Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`h${at}`, ""])), "32 members"],
  ])("headers %o are refused", async (given, word) => {
    await using app = await setup();
    await expectInvalid(app, () => echo.delay(1, { headers: unchecked(given) }), word);
  });

  test("headers at the bounds are accepted", async () => {
    await using app = await setup();
    const many = Object.fromEntries(Array.from({ length: 32 }, (_, at) => [`h${at}`, ""]));
    for (const headers of [{ a: "x".repeat(4_095) }, many]) {
      const { id } = await echo.delay(1, { headers });
      expect((await app.backend.get(id))?.headers).toEqual(headers);
    }
  });

  test("id and idPrefix together are refused", async () => {
    await using app = await setup();
    await expectInvalid(
      app,
      () => echo.delay(1, { id: "a", idPrefix: "b" }),
      "either id or idPrefix",
    );
  });

  test("a cursor that no listing gave is refused", async () => {
    await using app = await setup();
    for (const cursor of ["", "zzz", "ready/", 7, null, "task/a#spec"]) {
      await expectInvalid(app, () => app.broker.list({ cursor: unchecked(cursor) }), "cursor must");
    }
  });
});
