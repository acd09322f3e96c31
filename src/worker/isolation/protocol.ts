/**
 * What a worker and its runners say to each other: plain data, the same over the port of a thread
 * and the pipe of a process.
 *
 * A runner says `ready` once. Then the worker asks for one thing at a time, `load` or `run`, and
 * gets one answer; `abort` is about the run that goes on, and one that comes too late is ignored.
 * During a run the runner may send reports. `crashed` comes whenever code of the user's threw where
 * nobody could catch it; the worker then ends the runner. A runner that ends answers nothing.
 */
import type { AbortReason, FailureHints, TaskFailure } from "../../task/failure.ts";

/** The task to be found, and the modules to look in, in this order. */
export interface TaskPlace {
  readonly name: string;
  /** URLs. */
  readonly modules: readonly string[];
}

/** One attempt, as data. */
export interface RunCall extends TaskPlace {
  readonly input: unknown;
  readonly resultBytesMax: number;
  readonly id: string;
  readonly queue: string;
  readonly priority: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly attempt: number;
  readonly fence: number;
}

/** What a runner is told. */
export type ToRunner =
  | { readonly kind: "load"; readonly place: TaskPlace }
  | { readonly kind: "run"; readonly call: RunCall }
  | { readonly kind: "abort"; readonly reason: AbortReason };

/** What a handler says while it runs. */
export type Report =
  | { readonly kind: "progress"; readonly percent: number; readonly detail?: unknown }
  | { readonly kind: "log"; readonly text: string };

/** How what a worker asked for ended. */
export type Outcome =
  | { readonly kind: "loaded" }
  | { readonly kind: "returned"; readonly result: ReturnedValue }
  | { readonly kind: "threw"; readonly failure: TaskFailure; readonly hints: FailureHints };

/** An outcome, and the memory that the runner is left with. */
export type Answer = Outcome & { readonly usedBytes: number };

/** What a handler returned: nothing, a value as JSON, or a directive. */
export type ReturnedValue =
  | { readonly kind: "nothing" }
  | { readonly kind: "json"; readonly json: string }
  | { readonly kind: "snooze"; readonly delayMs: number; readonly reason: string | undefined }
  | {
      readonly kind: "retry-at";
      readonly when: { readonly delayMs: number } | { readonly at: number };
      readonly reason: string | undefined;
    };

/** What a runner says. */
export type FromRunner =
  | { readonly kind: "ready" }
  | { readonly kind: "crashed"; readonly failure: TaskFailure }
  | Report
  | Answer;
