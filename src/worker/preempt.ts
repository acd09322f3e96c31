import type { LoopWorld } from "../base/loop.ts";
import { isPreemptible } from "../broker/take.ts";
import type { AttemptRun } from "./attempt-run.ts";
import type { Pressure } from "./picker.ts";

/** How long a handler has to obey before its task is given back without it. */
const GRACE_MS = 5_000;

function canBePreempted({ attempt }: AttemptRun): boolean {
  return attempt.position.idle === true && isPreemptible(attempt.ready);
}

/**
 * Tells idle tasks to stop until `count` have been told, of one queue or of all, the youngest
 * first: least is lost with them. They are given back as if they had not been taken.
 */
export function preempt(
  runs: Iterable<AttemptRun>,
  { count, queue }: Pressure,
  world: LoopWorld,
): void {
  const candidates = [...runs].filter(
    (run) => canBePreempted(run) && (queue === undefined || run.attempt.position.queue === queue),
  );
  // Until its outcome is recorded, the place of one that was told may not have been taken yet.
  const told = candidates.filter(({ aborted }) => aborted !== undefined);
  let wanted = count - told.length;
  for (const run of candidates.reverse()) {
    if (wanted <= 0) return;
    if (run.aborted !== undefined || run.handlerEnded) continue;
    run.abort("preempted");
    run.after(world, GRACE_MS, () => run.end({ kind: "released" }));
    wanted -= 1;
  }
}
