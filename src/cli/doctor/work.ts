import type { QueueView } from "../../broker/queue-view.ts";
import { readReady } from "../../broker/read-ready.ts";
import { inLanes, type RunningTask } from "../../broker/running-view.ts";
import type { LiveWorker } from "../../broker/worker-view.ts";
import type { Store } from "../../store/store.ts";
import { readyRange } from "../../task/keyspace.ts";
import { readTask } from "../../task/task-reader.ts";
import { counted, error, type Finding, ok, some, warning } from "./finding.ts";

/** So many waiting tasks of each queue are looked at. */
const WAITING_LOOKS_MAX = 1_000;
const GONE_LOOKS_MAX = 200;

/** Who works, and whether every queue in which something waits has somebody. */
export function queueFindings(
  workers: readonly LiveWorker[],
  queues: readonly QueueView[],
): Finding[] {
  const working = workers.filter(({ concurrency }) => concurrency > 0);
  const waiting = queues.filter((each) => each.waiting > 0);
  const left = waiting.filter((each) => each.workers === 0);
  const first =
    working.length === 0
      ? warning("workers", "no worker is running", "Start one: etask worker --app FILE")
      : ok(
          "workers",
          `${counted(working.length, "live worker")} on ${counted(hostsOf(working), "host")}`,
        );
  if (left.length === 0) {
    const count = waiting.reduce((sum, each) => sum + each.waiting, 0);
    return [first, ok("queues", `${counted(count, "waiting task")}, no queue without a worker`)];
  }
  const names = left.map(({ queue, waiting: count }) => `${queue} (${count} waiting)`);
  return [
    first,
    error(
      "queues",
      `no live worker takes from: ${some(names, 5)}`,
      "Start a worker with --queue for each of them.",
    ),
  ];
}

function hostsOf(workers: readonly LiveWorker[]): number {
  return new Set(workers.map(({ host }) => host)).size;
}

/** Whether every waiting task is of a kind that some worker of its queue knows. */
export async function checkKinds(
  store: Store,
  workers: readonly LiveWorker[],
  queues: readonly QueueView[],
): Promise<Finding[]> {
  // A queue without a worker is a finding of its own.
  const worked = queues.filter((each) => each.waiting > 0 && each.workers > 0);
  const unknown = (await inLanes(worked, ({ queue }) => unknownIn(store, workers, queue))).flat();
  const scope = worked.some(({ waiting }) => waiting > WAITING_LOOKS_MAX)
    ? ` (the first ${WAITING_LOOKS_MAX} of each queue were looked at)`
    : "";
  if (unknown.length === 0) {
    return [ok("kinds", `no kind waits that the workers of its queue do not know${scope}`)];
  }
  return [
    error(
      "kinds",
      `tasks wait whose kind no live worker of their queue knows: ${some(unknown, 5)}${scope}`,
      "Start a worker whose app module exports them, or remove them.",
    ),
  ];
}

async function unknownIn(
  store: Store,
  workers: readonly LiveWorker[],
  queue: string,
): Promise<string[]> {
  const known = new Set(
    workers.filter(({ queues }) => queues.includes(queue)).flatMap(({ kinds }) => kinds),
  );
  const counts = new Map<string, number>();
  const { entries } = await store.range(readyRange(queue), { limit: WAITING_LOOKS_MAX });
  for (const entry of entries) {
    const name = readReady(entry)?.record.name;
    if (name === undefined || known.has(name)) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} in ${queue} (${count})`);
}

/**
 * Whether every running task has a live worker. `workers` must have been read after `running`: a
 * worker that is missing then is gone. What looks left behind is read again, because it may just
 * have been put back.
 */
export async function checkRunning(
  store: Store,
  running: readonly RunningTask[],
  workers: readonly LiveWorker[],
): Promise<Finding[]> {
  const live = new Set(workers.map(({ id }) => id));
  const suspects = running.filter(({ worker }) => !live.has(worker)).slice(0, GONE_LOOKS_MAX);
  const looked = await inLanes(suspects, async ({ id, worker, attempt }) => {
    const state = (await readTask(store, id))?.state;
    const same = state?.worker === worker && state.attempt === attempt;
    return same && state.state === "running" ? [id] : [];
  });
  const left = looked.flat();
  if (left.length === 0) {
    const each = running.length === 0 ? "" : ", each with a live worker";
    return [ok("running", `${counted(running.length, "running task")}${each}`)];
  }
  const count = counted(left.length, "task");
  const message = `${count} left behind by workers that are gone: ${some(left)}`;
  return workers.some(({ concurrency }) => concurrency > 0)
    ? [warning("running", message, "A live worker puts them back within seconds.")]
    : [error("running", message, "Start a worker: it puts them back.")];
}
