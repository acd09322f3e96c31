import type { Clock } from "../../src/base/clock.ts";
import type { TaskContext } from "../../src/task/context.ts";
import { FinalError } from "../../src/task/failure.ts";
import { retryAt, snooze } from "../../src/task/outcome.ts";
import { defineTask, type RegisteredTask } from "../../src/task/task.ts";
import type { Ledger } from "./ledger.ts";

/** What a handler does in one call. */
export type Move =
  | "succeed"
  | "work"
  | "dawdle"
  | "ignore the signal"
  | "report"
  | "fail"
  | "fail late"
  | "fail for good"
  | "snooze"
  | "retry later"
  | "hang";

/** Every {@link Move}, the likelier ones more than once. */
export const MOVES: readonly Move[] = [
  "succeed",
  "succeed",
  "succeed",
  "work",
  "work",
  "dawdle",
  "ignore the signal",
  "report",
  "report",
  "fail",
  "fail late",
  "fail late",
  "fail for good",
  "snooze",
  "retry later",
  "hang",
];

/** What the tasks of a world are given. */
export interface Input {
  /** The number of the order, see `Ledger`. */
  readonly n: number;
  /** What is done in each call, in turn; whatever comes after that succeeds. */
  readonly moves: readonly Move[];
  /** Makes it large. */
  readonly padding?: string;
}

/** What a result, and the message of an error, says of the attempt that it comes from. */
export interface Origin {
  readonly fence: number;
  readonly attempt: number;
}

/** How long what a handler may do takes, in milliseconds. */
export interface Pace {
  readonly work: number;
  readonly dawdle: number;
  /** Of one that does not heed its signal. */
  readonly deaf: number;
  /** Until one fails late. */
  readonly late: number;
  readonly hang: number;
}

const PACE: Pace = { work: 300, dawdle: 3_000, deaf: 5_000, late: 1_500, hang: 16_000 };

/** The kinds of tasks. */
export const KINDS: readonly string[] = ["plain", "patient", "bounded"];

/** The tasks that a process knows; each process has its own, bound to its app. */
export function defineTasks(process: string, clock: Clock, ledger: Ledger): RegisteredTask[] {
  const run = async (input: Input, ctx: TaskContext) => {
    const { id, attempt, fence } = ctx;
    const calls = ledger.runsOf.get(id)?.length ?? 0;
    const startedAt = clock.monotonic();
    const begun = ledger.begin({ id, attempt, fence, process, startedAt });
    try {
      const move = input.moves[calls] ?? "succeed";
      const result = await make(move, ctx, clock, PACE);
      if (result === undefined) {
        const origin: Origin = { fence, attempt };
        begun.result = JSON.stringify(origin);
        return origin;
      }
      return result;
    } finally {
      begun.over = true;
    }
  };
  return kindsOf(run);
}

/** The tasks of all {@link KINDS}, with one handler. */
export function kindsOf(
  run: (input: Input, ctx: TaskContext) => Promise<unknown>,
): RegisteredTask[] {
  return [
    defineTask<Input, unknown>({ name: "plain", run }),
    defineTask<Input, unknown>({
      name: "patient",
      retry: { attempts: 3, delay: "500ms", max: "2s" },
      run,
    }),
    defineTask<Input, unknown>({
      name: "bounded",
      retry: { attempts: 2, delay: "200ms" },
      timeout: { soft: "2s", hard: "4s" },
      run,
    }),
  ];
}

/** Does what `move` says. `undefined`: the attempt succeeds with its {@link Origin}. */
export async function make(
  move: Move,
  ctx: TaskContext,
  clock: Clock,
  pace: Pace,
): Promise<unknown> {
  const { fence, attempt, signal } = ctx;
  const says = `fence=${fence} attempt=${attempt}`;
  switch (move) {
    case "succeed":
      return undefined;
    case "work":
      return void (await clock.sleep(pace.work, signal));
    case "dawdle":
      return void (await clock.sleep(pace.dawdle, signal));
    case "ignore the signal":
      return void (await clock.sleep(pace.deaf));
    case "report":
      for (let step = 1; step <= 4; step += 1) {
        ctx.progress(step * 20, { fence });
        ctx.log(`step ${step} ${says}`);
        await clock.sleep(200, signal);
      }
      return undefined;
    case "fail":
      throw new Error(says);
    case "fail late":
      await clock.sleep(pace.late);
      throw new Error(says);
    case "fail for good":
      throw new FinalError(says);
    case "snooze":
      return snooze(400, says);
    case "retry later":
      return retryAt("700ms", says);
    case "hang":
      return void (await clock.sleep(pace.hang));
  }
}
