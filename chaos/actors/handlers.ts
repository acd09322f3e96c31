import {
  type Input,
  kindsOf,
  type Move,
  make,
  type Origin,
  type Pace,
} from "../../sim/world/handlers.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { TaskContext } from "../../src/task/context.ts";
import type { RegisteredTask } from "../../src/task/task.ts";
import type { Journal } from "./journal.ts";

const PACE: Pace = { work: 200, dawdle: 1_500, deaf: 2_500, late: 2_500, hang: 8_000 };

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
      const outcome = await make(moveOf(input, ctx), ctx, clock, PACE);
      if (outcome !== undefined) return outcome;
      const origin: Origin = { fence, attempt };
      result = JSON.stringify(origin);
      return origin;
    } finally {
      const ended = { at: clock.monotonic(), id, fence };
      effects?.write({ kind: "ran", ...ended, ...(result === undefined ? {} : { result }) });
    }
  };
  return kindsOf(run);
}

/** A snoozed attempt has its number again: so that it ends, every second one snoozes no more. */
function moveOf({ moves }: Input, { attempt, fence }: TaskContext): Move {
  const move = moves[attempt - 1] ?? "succeed";
  return move === "snooze" && fence % 2 !== 0 ? "succeed" : move;
}
