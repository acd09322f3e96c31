import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  defineTask,
  type NotJsonError,
  type TaskContext,
  type TaskHandle,
} from "../../src/index.ts";
import { openMemoryApp, refusal, SECRET } from "./refusal.ts";

const DEFAULT_BYTES = 262_144;
const MOST_BYTES = 1_048_576;

const disk = defineTask({
  name: "disk.format",
  input: z.object({ node: z.string(), disks: z.array(z.object({ size: z.number().min(1) })) }),
  retry: { attempts: 5, backoff: "immediate" },
  run: (input) => input.node,
});
const good = { node: "n7", disks: [{ size: 1 }] };

/** Takes anything, and returns what a function makes of it. */
function anyTask(run: (input: unknown, context: TaskContext) => unknown = (input) => input) {
  return defineTask({ name: "any", retry: { attempts: 5, backoff: "immediate" }, run });
}

/** JSON of exactly so many bytes. */
function jsonOf(bytes: number): string {
  return "x".repeat(bytes - 2);
}

class Point {
  readonly x = 1;
}

function cyclic() {
  const inner: { up?: unknown } = {};
  const outer = { list: [{}, inner] };
  inner.up = outer;
  return outer;
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

const notJson: readonly (readonly [what: string, value: unknown, path: string, why: string])[] = [
  ["a function", { a: [() => {}] }, "input.a[0]", "it is a function"],
  ["a BigInt", { a: { b: 5n } }, "input.a.b", "it is a BigInt; pass it as a string"],
  ["a symbol", [Symbol("s")], "input[0]", "it is a symbol"],
  ["a cycle", cyclic(), "input.list[1].up", "it is a cycle"],
  ["an undefined member", { a: undefined }, "input.a", "leave the member out, or use null"],
  ["a hole in an array", Array(2), "input[0]", "it is undefined"],
  ["NaN", { a: Number.NaN }, "input.a", "it is NaN"],
  ["infinity", [[Number.NEGATIVE_INFINITY]], "input[0][0]", "it is -Infinity"],
  ["a Map", { a: new Map() }, "input.a", "it is a value of type Map; pass a plain object"],
  ["a Set", new Set(), "input", "it is a value of type Set"],
  ["a class instance", { at: new Point() }, "input.at", "it is a value of type Point"],
  ["an error", { e: new Error(SECRET) }, "input.e", "it is a value of type Error"],
  ["a regular expression", { r: /x/ }, "input.r", "it is a value of type RegExp"],
  ["bytes", { b: new Uint8Array(3) }, "input.b", "it is a value of type Uint8Array"],
  ["a promise", { p: Promise.resolve(1) }, "input.p", "it is a value of type Promise"],
  [
    "a member named __proto__",
    JSON.parse('{"a":{"__proto__":1}}'),
    "input.a.__proto__",
    "rename it",
  ],
  ["a member with an odd name", { "a b": { 7: Number.NaN } }, 'input["a b"]["7"]', "it is NaN"],
  ["a toJSON of nothing", { a: { toJSON: () => undefined } }, "input.a", "it is undefined"],
  ["101 levels", deep(101), `input${"[0]".repeat(100)}`, "at most 100 levels"],
  ["a function as a whole", () => {}, "input", "it is a function"],
];

describe("input at enqueue", () => {
  test("input that does not fit its schema is refused, member by member", async () => {
    await using app = await openMemoryApp({ tasks: [disk] });
    const bad = { node: 7, disks: [{ size: 1 }, { size: 0 }], key: SECRET } as never;
    for (const act of [
      () => disk.delay(bad),
      () => disk.delayMany([good, bad, good]),
      () => app.enqueue("disk.format", bad),
    ]) {
      const { code, message } = await refusal(act, app.store);
      expect(code).toBe("INVALID_INPUT");
      expect(message).toMatch(/input(\[1\])? of disk\.format/);
      expect(message).toContain("node: Invalid input: expected string");
      expect(message).toContain("disks.1.size: ");
    }
    const { tasks } = await app.backend.list();
    expect(tasks).toEqual([]);
  });

  test("no more than five members are named", async () => {
    await using app = await openMemoryApp({ tasks: [disk] });
    const bad = { node: "n", disks: Array(50).fill({ size: 0 }) };
    const { message } = await refusal(() => disk.delay(bad), app.store);
    expect(message).toContain("disks.4.size");
    expect(message).not.toContain("disks.5.size");
    expect(message).toContain("and 45 more");
  });

  test.each(notJson)("%s is refused with its path", async (_what, value, path, why) => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task] });
    for (const act of [() => task.delay(value), () => app.enqueue("other.kind", value)]) {
      const { code, message } = await refusal(act, app.store);
      expect(code).toBe("NOT_JSON");
      expect(message).toContain(`${path} cannot be stored as JSON: `);
      expect(message).toContain(why);
    }
  });

  test.each(notJson)("%s among many is refused with its place", async (_what, value, path, why) => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task] });
    const { code, message } = await refusal(
      () => task.delayMany([...Array(200).fill(1), value, 2]),
      app.store,
    );
    expect(code).toBe("NOT_JSON");
    expect(message).toContain(path.replace("input", "input[200]"));
    expect(message).toContain(why);
    expect((await app.broker.list()).tasks).toEqual([]);
  });

  test("input that holds what JSON can hold comes back as it was", async () => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task] });
    await app.createWorker({ concurrency: 10 }).start();
    const at = new Date("2026-11-24T14:06:00Z");
    for (const [value, back] of [
      [null, null],
      ["", ""],
      [0, 0],
      [false, false],
      [[], []],
      [
        { constructor: 1, toString: "x", "": [] },
        { constructor: 1, toString: "x", "": [] },
      ],
      ["\u0000 \ud800 \ufffd é 🚀", "\u0000 \ud800 \ufffd é 🚀"],
      [{ at }, { at: at.toISOString() }],
      [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
      [deep(100), deep(100)],
      [undefined, undefined],
    ] as const) {
      const handle = await task.delay(value);
      expect(await handle.result({ timeout: "5s" })).toEqual(back);
    }
  });

  test("input may have 256 KiB, unless the app says otherwise, and 1 MiB at most", async () => {
    for (const [payloadBytesMax, most] of [
      [undefined, DEFAULT_BYTES],
      [100, 100],
      [MOST_BYTES, MOST_BYTES],
    ] as const) {
      const task = anyTask();
      await using app = await openMemoryApp({
        tasks: [task],
        ...(payloadBytesMax && { payloadBytesMax }),
      });
      for (const act of [
        () => task.delay(jsonOf(most + 1)),
        () => app.enqueue("other.kind", jsonOf(most + 1)),
        () => task.delayMany([1, jsonOf(most + 1), 2]),
      ]) {
        const { code, message } = await refusal(act, app.store);
        expect(code).toBe("PAYLOAD_TOO_LARGE");
        expect(message).toMatch(/^The input(\[1\])? of (any|other\.kind) has /);
        expect(message).toContain(`has ${most + 1} bytes as JSON; at most ${most} are allowed`);
        expect(message).toContain("payloadBytesMax (up to 1 MiB)");
        expect(message.length).toBeLessThan(300);
      }
      const { id } = await task.delay(jsonOf(most));
      expect((await app.backend.get(id))?.input).toBe(jsonOf(most));
    }
  });

  test("bytes count, not characters", async () => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task], payloadBytesMax: 100 });
    expect((await refusal(() => task.delay("é".repeat(50)), app.store)).code).toBe(
      "PAYLOAD_TOO_LARGE",
    );
    await task.delay("é".repeat(49));
  });

  test("a delayMany that says something wrong of one task writes nothing at all", async () => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task] });
    const inputs = Array.from({ length: 500 }, (_, index) => index);
    const options = (_: unknown, index: number) => (index === 321 ? { priority: 10 } : {});
    const { code, message } = await refusal(() => task.delayMany(inputs, options), app.store);
    expect(code).toBe("INVALID_OPTIONS");
    expect(message).toContain("priority");
  });

  test("inputs that are no list are refused", async () => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task] });
    for (const inputs of [undefined, 7, {}, new Set([1])]) {
      const { code, message } = await refusal(() => task.delayMany(inputs as never), app.store);
      expect(code).toBe("INVALID_OPTIONS");
      expect(message).toContain("inputs must be a list");
    }
  });
});

/** Enqueues by somebody who does not know the task, runs a worker, and looks at how it ended. */
async function failureOf(task: ReturnType<typeof anyTask> | typeof disk, input: unknown) {
  const producer = await openMemoryApp();
  await using worker = await openMemoryApp({ store: producer.store, tasks: [task] });
  const handle: TaskHandle = await producer.enqueue(task.name, input);
  await worker.createWorker().start();
  const end = await handle.settle({ timeout: "5s" });
  const { attempt, state } = await handle.state();
  await producer.close();
  if (end.state !== "failed") throw new Error(`It ended as ${end.state}.`);
  return { state, attempt, ...end.error };
}

describe("input and results at the worker", () => {
  test("input that does not fit fails the task at once, whatever its retries", async () => {
    const failure = await failureOf(disk, { node: 7, disks: [], key: SECRET });
    expect(failure).toMatchObject({ state: "failed", attempt: 1, code: "INVALID_INPUT" });
    expect(failure.message).toContain("input of disk.format does not fit its schema: node: ");
    expect(JSON.stringify(failure)).not.toContain(SECRET);
  });

  test("a schema that throws or is asynchronous is no way around", async () => {
    const slow = z.string().refine(async (text) => text === "yes");
    const asynchronous = defineTask({ name: "slow", input: slow, run: () => 1 });
    await using app = await openMemoryApp({ tasks: [asynchronous] });
    expect((await refusal(() => asynchronous.delay("no"), app.store)).code).toBe("INVALID_INPUT");
    await asynchronous.delay("yes");
  });

  test.each(notJson)("a result with %s fails the task at once", async (_what, value, path) => {
    const failure = await failureOf(
      anyTask(() => value),
      1,
    );
    expect(failure).toMatchObject({ state: "failed", attempt: 1, code: "NOT_JSON" });
    expect(failure.message).toContain(
      `${path.replace("input", "result")} cannot be stored as JSON`,
    );
  });

  test("a result that is too large fails the task at once", async () => {
    const failure = await failureOf(
      anyTask(() => jsonOf(DEFAULT_BYTES + 1)),
      1,
    );
    expect(failure).toMatchObject({ state: "failed", attempt: 1, code: "PAYLOAD_TOO_LARGE" });
    expect(failure.message).toContain(`The result of any has ${DEFAULT_BYTES + 1} bytes`);
    expect(failure.message).toContain(`at most ${DEFAULT_BYTES} are allowed`);
  });

  test("a result at the limit is kept", async () => {
    const task = anyTask(() => jsonOf(MOST_BYTES));
    await using app = await openMemoryApp({ tasks: [task], payloadBytesMax: MOST_BYTES });
    const handle = await task.delay(jsonOf(MOST_BYTES));
    await app.createWorker().start();
    expect(await handle.result({ timeout: "5s" })).toBe(jsonOf(MOST_BYTES));
  });

  test("a task that returns nothing has no result", async () => {
    const task = anyTask(() => undefined);
    await using app = await openMemoryApp({ tasks: [task] });
    const handle = await task.delay(1);
    await app.createWorker().start();
    expect(await handle.result({ timeout: "5s" })).toBeUndefined();
  });

  test("a detail of progress that is not JSON or too large is refused, and only that", async () => {
    const seen: unknown[] = [];
    const task = anyTask((_, ctx) => {
      for (const detail of [{ a: 5n }, jsonOf(16_385)]) {
        for (const report of [ctx.progress, ctx.advance]) {
          try {
            report(50, detail);
          } catch (error) {
            seen.push((error as NotJsonError).code);
          }
        }
      }
      ctx.progress(7, jsonOf(16_384));
      return "done";
    });
    await using app = await openMemoryApp({ tasks: [task] });
    const handle = await task.delay(1);
    await app.createWorker().start();
    expect(await handle.result({ timeout: "5s" })).toBe("done");
    expect(seen).toEqual(["NOT_JSON", "NOT_JSON", "PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE"]);
    expect((await handle.state()).progress).toMatchObject({ percent: 7, detail: jsonOf(16_384) });
  });

  test("what is finished by hand is checked as well, and stays open", async () => {
    const task = anyTask();
    await using app = await openMemoryApp({ tasks: [task] });
    const { id } = await task.delay(1);
    const taken = await app.broker.dequeue(id);
    if (!taken) throw new Error("It was not taken.");
    const refused = async (act: () => unknown) => (await refusal(act, app.store)).code;
    expect(await refused(() => taken.succeed({ a: 5n }))).toBe("NOT_JSON");
    expect(await refused(() => taken.succeed(jsonOf(DEFAULT_BYTES + 1)))).toBe("PAYLOAD_TOO_LARGE");
    expect(await refused(() => taken.progress(Number.NaN))).toBe("INVALID_OPTIONS");
    expect(await refused(() => taken.progress(5, { a: () => {} }))).toBe("NOT_JSON");
    expect(await refused(() => taken.progress(5, jsonOf(16_385)))).toBe("PAYLOAD_TOO_LARGE");
    const attempt = { id, fence: taken.fence };
    const update = (detail: unknown) => () => app.backend.update(attempt, { detail });
    expect(await refused(update({ a: 5n }))).toBe("NOT_JSON");
    expect(await refused(update(jsonOf(16_385)))).toBe("PAYLOAD_TOO_LARGE");
    await taken.succeed("fine");
    expect(await app.handle(id).result({ timeout: "5s" })).toBe("fine");
  });
});
