import type { LoopWorld } from "../base/loop.ts";
import type { QueueRecord } from "../task/queue-record.ts";
import { resolveTimeout } from "../task/timeout.ts";
import type { AttemptRun } from "./attempt-run.ts";
import { type Judged, timeoutVerdict, totalTimeoutVerdict } from "./verdict.ts";

/** Longest wait of a timer; what is due later is looked at again then. */
const TIMER_MS_MAX = 2_000_000_000;

/**
 * Arms what bounds an attempt in time: its soft limit tells the handler to stop, its hard limit and
 * the task's deadline end the attempt whatever the handler does. Nothing is armed where nothing is
 * bounded.
 */
export function armLimits(
  run: AttemptRun,
  world: LoopWorld,
  settings: QueueRecord,
  judged: () => Judged,
): void {
  const { spec, task } = run;
  const timeout =
    spec?.timeout ??
    (task?.timeout === undefined ? settings.timeout : resolveTimeout(task.timeout));
  const { softMs, hardMs } = timeout ?? {};
  if (softMs !== undefined) run.after(world, softMs, () => run.abort("timeout"));
  if (hardMs !== undefined) {
    run.after(world, hardMs, () => {
      run.abort("timeout");
      run.end(timeoutVerdict(judged(), `The attempt had not ended after ${hardMs} ms.`));
    });
  }
  if (spec?.deadlineAt !== undefined) armDeadline(run, world, judged, spec.deadlineAt);
}

function armDeadline(
  run: AttemptRun,
  world: LoopWorld,
  judged: () => Judged,
  deadlineAt: number,
): void {
  const leftMs = deadlineAt - world.clock.now();
  run.after(world, Math.min(leftMs, TIMER_MS_MAX), () => {
    if (world.clock.now() < deadlineAt) return armDeadline(run, world, judged, deadlineAt);
    run.overall = true;
    run.abort("timeout");
    run.end(totalTimeoutVerdict(judged()));
  });
}
