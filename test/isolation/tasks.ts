/** The tasks of the tests of isolated execution, one for each kind of runner. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import { z } from "zod";
import type { TaskContext } from "../../src/task/context.ts";
import type { IsolateKind } from "../../src/task/isolate.ts";
import { retryAt, snooze } from "../../src/task/outcome.ts";
import { BaseTask, defineTask } from "../../src/task/task.ts";

/** What the handler is to do. */
export interface Act {
  readonly act: keyof typeof acts;
  readonly text?: string;
  readonly number?: number;
}

/** Where a handler ran. */
export interface Place {
  readonly pid: number;
  readonly thread: number;
}

/** An error of a class that only this module knows. */
class DiskGoneError extends Error {
  readonly code = "DISK_GONE";
}

const place = (): Place => ({ pid: process.pid, thread: threadId });

const acts = {
  where: () => place(),
  echo: ({ text }: Act) => text,
  date: () => ({ at: new Date(0) }),
  nothing: () => undefined,
  bigint: () => 1n,
  context: (_act: Act, ctx: TaskContext) => {
    const { id, name, queue, priority, headers, attempt, fence } = ctx;
    return { id, name, queue, priority, headers, attempt, fence };
  },
  store: (_act: Act, ctx: TaskContext) => ctx.store,
  report: async (_act: Act, ctx: TaskContext) => {
    for (let percent = 0; percent < 50; percent += 1) ctx.progress(percent, { percent });
    ctx.advance(1);
    for (let line = 0; line < 100; line += 1) ctx.log(`line ${line}`);
    return "said";
  },
  flood: (_act: Act, ctx: TaskContext) => {
    for (let line = 0; line < 200_000; line += 1) ctx.log(`line ${line} ${"x".repeat(100)}`);
  },
  badProgress: (_act: Act, ctx: TaskContext) => ctx.progress(Number.NaN),
  spin: (_act: Act, ctx: TaskContext) => {
    for (;;) ctx.progress(50, place());
  },
  obey: async (_act: Act, { signal, progress }: TaskContext) => {
    progress(1, place());
    await sleep(600_000, undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  },
  deaf: async (_act: Act, ctx: TaskContext) => {
    ctx.progress(1, place());
    await sleep(600_000);
  },
  hog: () => {
    const held: unknown[] = [];
    for (;;) held.push(new Array(1_000).fill(Math.random()));
  },
  buffers: async () => {
    const held: Buffer[] = [];
    for (;;) {
      held.push(Buffer.alloc(8 * 1_048_576, 1));
      await sleep(5);
    }
  },
  exit: ({ number = 0 }: Act) => process.exit(number),
  abort: () => process.abort(),
  reject: async () => {
    Promise.reject(new DiskGoneError("nobody listens"));
    await sleep(600_000);
  },
  late: () => {
    setTimeout(() => {
      throw new Error("after the end");
    }, 20);
    return place();
  },
  fail: ({ text = "" }: Act) => {
    throw new DiskGoneError(text, { cause: new TypeError("inner") });
  },
  final: () => {
    throw Object.assign(new Error("for good"), { final: true });
  },
  snooze: (_act: Act, { id }: TaskContext) => (seen(id) ? place() : snooze("10ms", "the disk")),
  again: (_act: Act, { attempt }: TaskContext) =>
    attempt < 2 ? retryAt(0, "not yet") : { attempt },
  child: async (_act: Act, ctx: TaskContext) => {
    const { pid } = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"]);
    ctx.progress(1, { ...place(), child: pid });
    for (;;);
  },
} satisfies Record<string, (act: Act, ctx: TaskContext) => unknown>;

const ids = new Set<string>();
function seen(id: string): boolean {
  const before = ids.has(id);
  ids.add(id);
  return before;
}

function defineActor(isolate: IsolateKind) {
  return defineTask<Act>({
    name: `isolation.${isolate}`,
    isolate: { kind: isolate, memory: "192MiB" },
    retry: { attempts: 2, backoff: "immediate", noRetry: [DiskGoneError] },
    run: (input, ctx) => acts[input.act](input, ctx) as Promise<never>,
  });
}

/** Runs in the worker itself. */
export const inline = defineActor("inline");

/** Run in a thread and in a process. */
export const inThread = defineActor("thread");
export const inProcess = defineActor("process");

/** Both, by the kind of their runner. */
export const actors = [
  ["thread", inThread],
  ["process", inProcess],
] as const;

/** Asks its `retryIf`, which knows its own classes. */
export const picky = defineTask({
  name: "isolation.picky",
  isolate: "thread",
  retry: {
    attempts: 3,
    backoff: "immediate",
    retryIf: (error) => error instanceof DiskGoneError,
  },
  run: (_input: undefined, { attempt }) => {
    throw attempt < 2 ? new DiskGoneError("try again") : new Error("no more");
  },
});

/** Derived: other input, around the base, with its own errors. */
export const derived = defineTask({
  name: "isolation.base",
  isolate: "process",
  run: ({ text }: { text: string }) => {
    if (text === "") throw new Error("empty");
    return text.toUpperCase();
  },
}).derive({
  name: "isolation.derived",
  input: z.object({ words: z.array(z.string()).transform((words) => words.join(" ")) }),
  run: async (base, { words }, ctx) => `${await base({ text: words }, ctx)} in ${process.pid}`,
  mapError: (error) => new DiskGoneError(`mapped: ${(error as Error).message}`),
});

class Shout extends BaseTask<{ text: string }, string> {
  readonly name = "isolation.class";
  override readonly isolate = "thread" as const;
  override run({ text }: { text: string }) {
    return `${text.toUpperCase()} in thread ${threadId}`;
  }
}

/** Of a class. */
export const shout = new Shout();
