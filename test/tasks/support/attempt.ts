import type { Store } from "../../../src/store/store.ts";
import type { TaskContext } from "../../../src/task/context.ts";
import { type AbortReason, AttemptAbortedError } from "../../../src/task/failure.ts";
import type { RegisteredTask } from "../../../src/task/task.ts";

/** The context of one attempt, and what was done with it. */
export interface Attempt {
  readonly context: TaskContext<never>;
  readonly lines: string[];
  readonly reports: [percent: number, detail: unknown][];
  abort(reason?: AbortReason): void;
  /** Resolves at the first line of the log that matches. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Creates what a handler is given, without a queue around it. */
export function createAttempt(facts: Partial<TaskContext> = {}): Attempt {
  const controller = new AbortController();
  const lines: string[] = [];
  const reports: [number, unknown][] = [];
  const looks = new Set<() => void>();
  const context: TaskContext<unknown> = {
    id: "task-1",
    name: "test",
    queue: "default",
    priority: 5,
    headers: {},
    attempt: 1,
    fence: 7,
    signal: controller.signal,
    progress: (percent, detail) => {
      reports.push([percent, detail]);
    },
    advance: () => {},
    log: (text) => {
      lines.push(...text.split("\n"));
      for (const look of looks) look();
    },
    store: undefined as unknown as Store,
    ...facts,
  };
  return {
    context: context as TaskContext<never>,
    lines,
    reports,
    abort: (reason = "cancelled") => controller.abort(new AttemptAbortedError(reason)),
    line: (pattern) =>
      new Promise((resolve) => {
        const look = () => {
          const match = lines.map((line) => pattern.exec(line)).find((each) => each !== null);
          if (match) resolve(match);
        };
        looks.add(look);
        look();
      }),
  };
}

/** Runs a task's handler once, without a queue around it. */
export async function run(
  task: RegisteredTask,
  input?: unknown,
  attempt = createAttempt(),
): Promise<unknown> {
  return await task.run(input as never, attempt.context);
}

/** What the promise was rejected with, whatever it says. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    return error as Failure;
  }
  throw new Error("It did not fail.");
}

type Failure = Error & { code?: string; body?: string; final?: boolean; retryAfterMs?: number };
