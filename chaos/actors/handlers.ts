import type { Input, Move, Origin } from "../../sim/world/handlers.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { TaskContext } from "../../src/task/context.ts";
import { FinalError } from "../../src/task/failure.ts";
import { retryAt, snooze } from "../../src/task/outcome.ts";
import { defineTask, type RegisteredTask } from "../../src/task/task.ts";
import type { Journal } from "./journal.ts";

/**
 * The tasks that every process of a run knows, named as in the simulation. What a handler does, and
 * in which attempt, is in the journal before and after it does it.
 */
export function defineTasks(
  process: string,
  clock: Clock,
  effects: Journal | undefined,
): RegisteredTask[] {
  const run = async (input: Input, ctx: TaskContext) => {
    const { id, attempt, fence } = ctx;
    const startedAt = clock.monotonic();
    const begun = { id, attempt, fence, process, startedAt };
    effects?.write({ kind: "run", at: startedAt, wall: Date.now(), run: begun });
    let result: string | undefined;
    try {
      const outcome = await make(input.moves[attempt - 1] ?? "succeed", ctx, clock);
      if (outcome !== undefined) return outcome;
      const origin: Origin = { fence, attempt };
      result = JSON.stringify(origin);
      return origin;
    } finally {
      const ended = { at: clock.monotonic(), id, fence };
      effects?.write({ kind: "ran", ...ended, ...(result === undefined ? {} : { result }) });
    }
  };
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

async function make(move: Move, ctx: TaskContext, clock: Clock): Promise<unknown> {
  const { fence, attempt, signal } = ctx;
  const says = `fence=${fence} attempt=${attempt}`;
  switch (move) {
    case "succeed":
      return undefined;
    case "work":
      return void (await clock.sleep(200, signal));
    case "dawdle":
      return void (await clock.sleep(1_500, signal));
    case "ignore the signal":
      return void (await clock.sleep(2_500));
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
      await clock.sleep(2_500);
      throw new Error(says);
    case "fail for good":
      throw new FinalError(says);
    case "snooze":
      // A snoozed attempt has its number again: so that it ends, every second one snoozes no more.
      return fence % 2 === 0 ? snooze(400, says) : undefined;
    case "retry later":
      return retryAt("700ms", says);
    case "hang":
      return void (await clock.sleep(8_000));
  }
}
