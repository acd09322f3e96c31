import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createMemoryStorage } from "../../src/store/memory/index.ts";
import type { RegisteredTask } from "../../src/task/task.ts";
import { commandTask } from "../../src/tasks/command/index.ts";
import { httpTask } from "../../src/tasks/http/index.ts";
import { scenarioStores } from "../scenario/stores.ts";
import { HttpServer, json } from "./support/http-server.ts";
import { Witness } from "./support/witness.ts";

// The tasks as a user has them: on a queue, with retries, cancel, limits and log.

const WAIT = { timeout: "20s" } as const;

const stores = [
  {
    name: "memory",
    open: async () => ({
      store: createMemoryStorage({ clock: systemClock }).open(),
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  ...scenarioStores
    .filter(({ name }) => name !== "etcd 3.4")
    .map(({ name, open }) => ({
      name,
      open: async () => {
        const store = await open();
        return { store: store.url, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
      },
    })),
];

describe.each(stores)("on $name:", ({ open }) => {
  async function setup(task: RegisteredTask): Promise<AsyncDisposable> {
    const opened = await open();
    const app = await createApp({ store: opened.store, tasks: [task] });
    await app.createWorker({ concurrency: 2 }).start();
    return {
      [Symbol.asyncDispose]: async () => {
        await app.close();
        await opened[Symbol.asyncDispose]();
      },
    };
  }

  test("http: attempts share their idempotency key, fences grow, Retry-After is heeded", async () => {
    const at: number[] = [];
    await using server = await HttpServer.open((_request, response) => {
      at.push(performance.now());
      if (at.length === 1) json(response, null, 429, { "retry-after": "1" });
      else if (at.length === 2) response.destroy();
      else json(response, "charged");
    });
    const retry = { attempts: 3, backoff: "constant", delay: "10ms" } as const;
    const charge = httpTask({ name: "card.charge", url: server.url(), retry });
    await using _app = await setup(charge);
    const handle = await charge.delay({ cents: 100 });
    expect(await handle.result(WAIT)).toBe("charged");
    const headers = server.arrived.map((each) => each.headers);
    expect(headers.map((each) => each["idempotency-key"])).toEqual(Array(3).fill(handle.id));
    expect(headers.map((each) => each["etask-attempt"])).toEqual(["1", "2", "3"]);
    const fences = headers.map((each) => Number(each["etask-fence"]));
    expect([...new Set(fences)].sort((a, b) => a - b)).toEqual(fences);
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1_000);
  });

  test("http: a 4xx fails at once, whatever the retry policy, and is recorded with its code", async () => {
    await using server = await HttpServer.open((_request, response) => {
      json(response, { why: "no such user" }, 404);
    });
    const task = httpTask({ name: "user.get", url: server.url(), retry: { attempts: 5 } });
    await using _app = await setup(task);
    const handle = await task.delay(1);
    expect(await handle.settle(WAIT)).toMatchObject({
      state: "failed",
      error: { name: "HttpStatusError", code: "HTTP_STATUS" },
    });
    expect(server.arrived).toHaveLength(1);
    expect(await handle.state()).toMatchObject({ reason: "no-retry" });
  });

  test("http: a cancel ends the request that is under way", async () => {
    await using server = await HttpServer.open(() => {});
    const task = httpTask({ name: "slow", url: server.url() });
    await using _app = await setup(task);
    const handle = await task.delay(1);
    for await (const view of handle.watch()) if (view.state === "running") break;
    await handle.cancel();
    expect(await handle.settle(WAIT)).toEqual({ state: "cancelled" });
  });

  test("command: its output is the task's log, its progress the task's progress", async () => {
    const task = commandTask({
      name: "disk.check",
      command: ({ disk }: { disk: string }) => ({
        program: "sh",
        args: ["-c", 'echo "checks $1"; echo 40% >&2; exec cat', "sh", disk],
        stdin: '{"healthy":true}',
      }),
      progress: /(\d+)%/,
      result: ({ stdout }) => stdout.split("\n").at(-1),
    });
    await using _app = await setup(task);
    const handle = await task.delay({ disk: "sda; rm -rf /" });
    expect(await handle.result(WAIT)).toBe('{"healthy":true}');
    const { lines } = await handle.log();
    expect(lines.map(({ text }) => text).sort()).toEqual([
      "stderr: 40%",
      "stdout: checks sda; rm -rf /",
      'stdout: {"healthy":true}',
    ]);
    expect(await handle.state()).toMatchObject({ progress: { percent: 40 } });
  });

  test("command: a cancel and a time limit end the program, also one that is deaf", async () => {
    await using witness = await Witness.open();
    const deaf = `process.on("SIGTERM", () => {}); ${witness.greeting}; setInterval(() => {}, 1e6)`;
    const task = commandTask({
      name: "deaf",
      command: [process.execPath, "-e", deaf],
      killGrace: "50ms",
    });
    await using _app = await setup(task);
    const cancelled = await task.delay(1);
    await witness.arrived(1);
    await cancelled.cancel();
    expect(await cancelled.settle(WAIT)).toEqual({ state: "cancelled" });
    await witness.gone();

    const late = await task.delay(1, { timeout: { hard: "500ms" } });
    expect(await late.settle(WAIT)).toMatchObject({
      state: "failed",
      error: { code: "ATTEMPT_TIMEOUT" },
    });
    await witness.gone();
  });

  test("command: a worker that stops gives the task back and leaves no program behind", async () => {
    await using witness = await Witness.open();
    const script = `${witness.greeting}; setInterval(() => {}, 1e6)`;
    const task = commandTask({ name: "long", command: [process.execPath, "-e", script] });
    await using opened = await open();
    await using app = await createApp({ store: opened.store, tasks: [task] });
    const worker = app.createWorker({ drain: 0 });
    await worker.start();
    const handle = await task.delay(1);
    await witness.arrived(1);
    await worker.stop();
    await witness.gone();
    expect(await handle.state()).toMatchObject({ state: "pending" });
  });
});
