import { del, type Part, put } from "../store/part.ts";
import { deadlineDeletes, requireWaiting, taskAsRead, waitingKey } from "../task/change.ts";
import type { ResolvedDebounce } from "../task/claim.ts";
import { taskKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { encodeRecord, type SpecRecord } from "../task/records.ts";
import type { StoredTask } from "../task/task-reader.ts";
import { specWith, waitingState, waitingWrite } from "./edit.ts";
import { deadlineWrites } from "./enqueue.ts";

/** A call that finds the task of an earlier one waiting. */
export interface DebouncedCall {
  readonly input: unknown;
  readonly how: ResolvedDebounce;
}

/**
 * Lets a waiting task stand for one more call: it is due `wait` after it, at `latestAt` at the
 * latest, with its input if that is wanted. The times by which it must have been started or have
 * ended move along. Held while the task is as it was read.
 *
 * The spec is the witness: two calls that write the same one have wished for the same.
 */
export function debouncePart(task: StoredTask, { input, how }: DebouncedCall, at: number): Part {
  const current = requireWaiting(task);
  const due = Math.min(at + how.waitMs, task.spec.debounce?.latestAt ?? at);
  const given = how.payload === "first" ? task.spec : specWith(task.spec, input);
  const spec = dueSpec(given, due);
  const place = positionOf(task.spec, task.state);
  const next = waitingState({ ...current, ...place }, due > at ? due : undefined, at);
  const specKey = taskKey(spec.id, "spec");
  const writes = [
    put(specKey, encodeRecord(spec)),
    put(taskKey(spec.id, "state"), encodeRecord(next)),
    waitingWrite(spec, next),
    ...deadlineWrites(spec),
  ];
  const written = new Set(writes.map(({ key }) => key));
  const gone = [del(waitingKey(task.spec, current)), ...deadlineDeletes(task)];
  return {
    guards: taskAsRead(task),
    writes: [...writes, ...gone.filter(({ key }) => !written.has(key))],
    witness: specKey,
  };
}

/** The spec of a task that is due at another time than before, with the times that follow. */
function dueSpec({ expiresAt, deadlineAt, ...spec }: SpecRecord, due: number): SpecRecord {
  const { createdAt, dueAt = createdAt, totalMs } = spec;
  return {
    ...spec,
    dueAt: due,
    ...(expiresAt === undefined ? undefined : { expiresAt: due + expiresAt - dueAt }),
    ...(totalMs === undefined ? undefined : { deadlineAt: due + totalMs }),
  };
}
