/**
 * Puts back what vanished workers left behind, when no worker is there to see it.
 *
 * Workers rescue one another at once (`worker/rescuer.ts`). Where the last one vanishes nobody is
 * left, and its tasks would be shown as running until a worker comes. So the leading Beat compares
 * what is under `hand/` and `signal/` with the live workers every {@link AUDIT_MS}, too. Each
 * rescue is guarded by "the worker is gone" and by the task's fence, so it does not matter who else
 * does the same. If the process dies half-way, the next audit goes on.
 */
import { type LoopWorld, pause } from "../base/loop.ts";
import { rescueWorker, workersWithTraces } from "../broker/rescue-worker.ts";
import type { Store } from "../store/store.ts";

const AUDIT_MS = 15_000;

/** Audits until `signal` aborts; throws what the store throws. */
export async function runRescueAudit(
  store: Store,
  world: LoopWorld,
  signal: AbortSignal,
  { leader }: { readonly leader: string },
): Promise<void> {
  while (!signal.aborted) {
    // A worker that has just vanished is for other workers to rescue.
    await pause(world, AUDIT_MS * (0.75 + world.random.next() / 2), signal);
    if (signal.aborted) return;
    for await (const worker of workersWithTraces(store)) {
      await rescueWorker(store, world, { worker, by: leader }, signal);
    }
  }
}
