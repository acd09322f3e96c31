/**
 * The inside of a runner, the same in a thread and in a process: loads tasks, runs one attempt at a
 * time, answers.
 *
 * What the handler throws goes back as data, after the definition's code has judged it here, where
 * its classes are. What is thrown where nobody can catch it would end any Node; here it is told to
 * the worker (`crashed`), which ends this runner and fails the attempt that goes on, if any.
 */
import { systemClock } from "../../base/clock.ts";
import { requireResult } from "../../broker/spec.ts";
import { type FailureHints, failureOf, hintsOf } from "../../task/failure.ts";
import { parseWith } from "../../task/input.ts";
import { isRetryAt, isSnooze } from "../../task/outcome.ts";
import { refusesRetry, resolveRetry } from "../../task/retry-policy.ts";
import { runTask } from "../../task/run-task.ts";
import type { RegisteredTask } from "../../task/task.ts";
import { AttemptAbort } from "../attempt-abort.ts";
import { findTask } from "./find-task.ts";
import { markRunner } from "./in-runner.ts";
import type {
  FromRunner,
  Outcome,
  ReturnedValue,
  RunCall,
  TaskPlace,
  ToRunner,
} from "./protocol.ts";
import { RunnerContext } from "./runner-context.ts";

/** How a runner is reached, and what it knows of itself. */
export interface RunnerPort {
  send(message: FromRunner): void;
  receive(listener: (message: ToRunner) => void): void;
  /** A run begins, or has ended. */
  busy(busy: boolean): void;
  usedBytes(): number;
}

const LOADED = { kind: "loaded" } as const;

/** Serves until the worker ends the runner. */
export function serveRunner(port: RunnerPort): void {
  markRunner();
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      port.send({ kind: "crashed", failure: failureOf(error) });
    });
  }
  const tasks = new Map<string, RegisteredTask>();
  let current: AttemptAbort | undefined;
  const load = async (place: TaskPlace): Promise<RegisteredTask> => {
    const task = tasks.get(place.name) ?? (await findTask(place));
    tasks.set(place.name, task);
    return task;
  };
  const answer = async (message: Exclude<ToRunner, { kind: "abort" }>): Promise<void> => {
    const abort = new AttemptAbort();
    current = abort;
    port.busy(true);
    const outcome =
      message.kind === "run"
        ? await outcomeOf(message.call, abort, port, load)
        : await load(message.place).then(() => LOADED, thrown);
    current = undefined;
    port.busy(false);
    port.send({ ...outcome, usedBytes: port.usedBytes() });
  };
  port.receive((message) => {
    if (message.kind === "abort") current?.abort(message.reason);
    else answer(message);
  });
  port.send({ kind: "ready" });
}

/** Never rejects: everything that can go wrong is the outcome. */
async function outcomeOf(
  call: RunCall,
  abort: AttemptAbort,
  port: RunnerPort,
  load: (place: TaskPlace) => Promise<RegisteredTask>,
): Promise<Outcome> {
  const context = new RunnerContext(port.send, systemClock);
  let task: RegisteredTask | undefined;
  try {
    task = await load(call);
    const input = await parseWith(task.input, `input of ${call.name}`, call.input);
    const result = await runTask(task, input, context.of(call, abort));
    return { kind: "returned", result: returned(result, call) };
  } catch (error) {
    return judged(task, error);
  } finally {
    context.close();
  }
}

function returned(result: unknown, { name, resultBytesMax }: RunCall): ReturnedValue {
  if (isSnooze(result)) {
    return { kind: "snooze", delayMs: result.delayMs, reason: result.reason };
  }
  if (isRetryAt(result)) return { kind: "retry-at", when: result.when, reason: result.reason };
  if (result === undefined) return { kind: "nothing" };
  requireResult(name, result, resultBytesMax);
  return { kind: "json", json: JSON.stringify(result) };
}

/** Asks the definition's code here: in the worker, the error would be of no class of its. */
function judged(task: RegisteredTask | undefined, error: unknown): Outcome {
  const hints = hintsOf(error);
  if (task?.retry === undefined) return thrown(error, hints);
  try {
    const final = hints.final || refusesRetry(resolveRetry(task.retry), error);
    return thrown(error, { ...hints, ...(final ? { final } : undefined) });
  } catch (broken) {
    const failure = { ...failureOf(broken), cause: failureOf(error) };
    return { kind: "threw", failure, hints: { final: true } };
  }
}

function thrown(error: unknown, hints: FailureHints = {}): Outcome {
  return { kind: "threw", failure: failureOf(error), hints };
}
