import type { FromRunner, ToRunner } from "./protocol.ts";

/** A thread or a process that runs isolated tasks, as the worker holds it. */
export interface RunnerBody {
  /** The process's id, or the thread's. */
  readonly id: number;
  send(message: ToRunner): void;
  /** Whether it keeps this process alive. */
  hold(held: boolean): void;
  /** Ends it, whatever it does; `ended` follows. Safe to call more than once. */
  kill(): void;
}

/** What the holder of a body is told. */
export interface RunnerBodyEvents {
  message(message: FromRunner): void;
  /** Once, and the last of all. */
  ended(end: RunnerEnd): void;
}

/** How a runner ended. */
export interface RunnerEnd {
  /** As in "The runner …". */
  readonly how: string;
  /** Whether it had used up its memory. */
  readonly outOfMemory: boolean;
  readonly cause?: unknown;
}

const LOADER_OPTIONS = /^(?:--import|--require|-r|--loader|--experimental-loader|--conditions|-C)$/;

/**
 * What of this process's Node options a runner needs, too: those that say how modules are found and
 * loaded.
 */
export function loaderOptions(given: readonly string[]): readonly string[] {
  return given.flatMap((option, index) => {
    const [name = ""] = option.split("=");
    if (!LOADER_OPTIONS.test(name)) return [];
    return name === option ? [option, given[index + 1] ?? ""] : [option];
  });
}
