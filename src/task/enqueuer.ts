import { EtaskError } from "../base/errors.ts";
import type { ResolvedClaim } from "./claim.ts";
import type { ResolvedDelayOptions } from "./enqueue-options.ts";
import type { TaskHandle } from "./handle.ts";

/** One task to enqueue, checked and ready to be written. */
export interface EnqueueRequest {
  readonly name: string;
  readonly input: unknown;
  readonly options: ResolvedDelayOptions;
  readonly claim?: ResolvedClaim | undefined;
  /** The schedule that asks for it, and for which instant. */
  readonly schedule?: { readonly name: string; readonly tick: number };
}

/** The way from a task to the broker; `app.ts` provides it, so that tasks stay below the broker. */
export interface Enqueuer {
  /** Hands over one task. */
  enqueue(request: EnqueueRequest): Promise<TaskHandle>;
  /** Hands over any number of tasks, in order. @throws EnqueuePartialError */
  enqueueMany(requests: readonly EnqueueRequest[]): Promise<TaskHandle[]>;
  /** A handle of a task that was enqueued before or elsewhere. */
  handle(id: string): TaskHandle;
}

/** A task that did not certainly land: `applied: "unknown"` means that it may have. */
export interface MissingTask {
  /** Its place in the list that was given. */
  readonly index: number;
  readonly id: string;
  readonly applied: "no" | "unknown";
}

/**
 * Some of many tasks were not accepted. `landed` and `missing` together are all of them, each in
 * the order given. `resume()` goes on with the missing ones under their same ids, so none is made
 * twice.
 */
export class EnqueuePartialError extends EtaskError {
  readonly code = "ENQUEUE_PARTIAL";
  readonly landed: readonly TaskHandle[];
  readonly missing: readonly MissingTask[];
  /** Tries again; resolves with the handles of all tasks, in the order given. */
  readonly resume: () => Promise<TaskHandle[]>;

  constructor(
    landed: readonly TaskHandle[],
    missing: readonly MissingTask[],
    cause: unknown,
    resume: () => Promise<TaskHandle[]>,
  ) {
    const total = landed.length + missing.length;
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`${landed.length} of ${total} tasks were accepted; call resume() for the rest. ${why}`, {
      cause,
    });
    this.landed = landed;
    this.missing = missing;
    this.resume = resume;
  }
}
