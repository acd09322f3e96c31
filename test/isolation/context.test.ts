/** What a handler sees of its task in a runner, and what the task sees of its handler. */
import { expect, test } from "vitest";
import { errorOf, startWorker } from "./support.ts";
import { actors, derived, inline, type Place, picky, shout } from "./tasks.ts";

const each = test.each(actors);
const tasks = actors.map(([, task]) => task);

test("isolation: handlers run where the definition says, and stay there", async () => {
  await using _world = await startWorker([inline, ...tasks]);
  const places: Place[] = [];
  for (const task of [inline, ...tasks, ...tasks]) {
    places.push((await (await task.delay({ act: "where" })).result()) as Place);
  }
  const [here, thread, child, sameThread, sameChild] = places;
  expect(here?.pid).toBe(process.pid);
  expect(thread?.pid).toBe(process.pid);
  expect(thread?.thread).not.toBe(here?.thread);
  expect(child?.pid).not.toBe(process.pid);
  expect([sameThread, sameChild]).toEqual([thread, child]);
});

each("isolation: %s: a handler knows its task, and its result is JSON", async (_kind, task) => {
  await using _world = await startWorker([task]);
  const run = async (act: Parameters<typeof task.delay>[0]) => {
    const options = { headers: { tenant: "a" }, priority: 7 };
    return (await task.delay(act, options)).result();
  };
  expect(await run({ act: "context" })).toEqual({
    id: expect.any(String),
    name: task.name,
    queue: "default",
    priority: 7,
    headers: { tenant: "a" },
    attempt: 1,
    fence: expect.any(Number),
  });
  expect(await run({ act: "echo", text: "ä\u2028" })).toBe("ä\u2028");
  expect(await run({ act: "date" })).toEqual({ at: "1970-01-01T00:00:00.000Z" });
  expect(await run({ act: "nothing" })).toBeUndefined();
  await expect(run({ act: "bigint" })).rejects.toMatchObject({ failure: { code: "NOT_JSON" } });
  await expect(run({ act: "store" })).rejects.toMatchObject({
    failure: { name: "NotInRunnerError", code: "NOT_IN_RUNNER" },
  });
});

each("isolation: %s: progress and log arrive before the end does", async (_kind, task) => {
  await using _world = await startWorker([task]);
  const handle = await task.delay({ act: "report" });
  expect(await handle.result()).toBe("said");
  expect((await handle.state()).progress).toMatchObject({ percent: 50, detail: { percent: 49 } });
  const { lines } = await handle.log();
  expect(lines.map(({ text }) => text)).toEqual(Array.from({ length: 100 }, (_, n) => `line ${n}`));
  const bad = await task.delay({ act: "badProgress" });
  expect(await errorOf(bad)).toMatchObject({ code: "INVALID_OPTIONS" });
});

each("isolation: %s: a log without end leaves the newest lines", async (_kind, task) => {
  await using _world = await startWorker([task]);
  const handle = await task.delay({ act: "flood" });
  await handle.result();
  const { lines } = await handle.log();
  expect(lines.at(-1)?.text).toMatch(/^line 199999 x+$/);
});

each(
  "isolation: %s: what is thrown arrives as it was, and is judged there",
  async (_kind, task) => {
    await using _world = await startWorker([task]);
    const handle = await task.delay({ act: "fail", text: "the disk is gone" });
    expect(await errorOf(handle)).toMatchObject({
      name: "Error",
      message: "the disk is gone",
      code: "DISK_GONE",
      stack: expect.stringContaining("tasks.ts"),
      cause: { name: "TypeError", message: "inner" },
    });
    // Its class is in noRetry, and the worker has another one of that name.
    expect(await handle.state()).toMatchObject({ reason: "no-retry", attempts: [{}] });
    const final = await task.delay({ act: "final" });
    await final.settle();
    expect((await final.state()).reason).toBe("no-retry");
  },
);

test("isolation: retryIf is asked where the handler threw", async () => {
  await using _world = await startWorker([picky]);
  const handle = await picky.delay(undefined);
  expect(await errorOf(handle)).toMatchObject({ message: "no more" });
  expect((await handle.state()).attempts).toHaveLength(2);
});

each("isolation: %s: snooze and retryAt mean the same as inline", async (_kind, task) => {
  await using _world = await startWorker([task]);
  const snoozed = await task.delay({ act: "snooze" });
  await snoozed.result();
  expect(await snoozed.state()).toMatchObject({ snoozed: 1 });
  const again = await task.delay({ act: "again" });
  expect(await again.result()).toEqual({ attempt: 2 });
  expect((await again.state()).attempts[0]?.error).toMatchObject({ message: "not yet" });
});

test("isolation: a derived task and one of a class run isolated, too", async () => {
  await using _world = await startWorker([derived, shout]);
  const words = (list: string[]) => derived.delay({ words: list });
  expect(await (await words(["a", "b"])).result()).toMatch(/^A B in \d+$/);
  expect(await errorOf(await words([]))).toMatchObject({
    code: "DISK_GONE",
    message: "mapped: empty",
  });
  expect(await (await shout.delay({ text: "a" })).result()).toMatch(/^A in thread [1-9]\d*$/);
});
