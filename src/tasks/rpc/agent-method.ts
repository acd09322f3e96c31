import type { StandardSchemaV1 } from "@standard-schema/spec";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireKnownKeys, shown } from "../../base/options.ts";
import { parseWith, requireSchema } from "../../task/input.ts";

/** What a method knows and may do while it serves one call. */
export interface AgentCall {
  /** The id of the task. */
  readonly task: string;
  /** The name under which the method was called. */
  readonly method: string;
  /** Which attempt at the task this is, from 1. */
  readonly attempt: number;
  /**
   * Grows from attempt to attempt of the task. The agent lets no older one in after a newer one; a
   * system behind it can do the same.
   */
  readonly fence: number;
  /** The task's headers, with the trace context among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborts when the call must stop; `signal.reason` is a `CallAbortedError` that says why. */
  readonly signal: AbortSignal;
  /**
   * Sets the task's progress: 0 to 100, with a detail that is JSON of at most 16 KiB. Returns at
   * once; when they come faster than they can be sent, the newest one is.
   *
   * @throws InvalidOptionsError, NotJsonError or PayloadTooLargeError for a bad percentage or
   *   detail.
   */
  progress(percent: number, detail?: unknown): void;
  /**
   * Adds text to the task's log, one line or several. Returns at once; when lines come faster than
   * they can be sent, the oldest that wait are left out, and the log says how many.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) for anything but text.
   */
  log(text: string): void;
}

/**
 * Serves the calls of one method. What it returns is the result and must be JSON; what it throws
 * fails the attempt, with its name, message and code, and its `final` and `retryAfterMs`.
 *
 * Written as a member so that a function may name the type of its input, which nothing checks: use
 * {@link method} with a schema for that.
 */
export type AgentMethod = { serve(input: unknown, call: AgentCall): unknown }["serve"];

/** What {@link method} takes. */
export interface MethodDefinition<Schema extends StandardSchemaV1> {
  /** Checks the input of each call. */
  readonly input: Schema;
  run(input: StandardSchemaV1.InferOutput<Schema>, call: AgentCall): unknown;
}

/**
 * A method whose input is checked by a Standard Schema (zod, valibot, arktype …) before it runs; a
 * call whose input does not fit fails with `INVALID_INPUT`, for good.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when `input` is no schema or `run` no function.
 */
export function method<Schema extends StandardSchemaV1>(
  definition: MethodDefinition<Schema>,
): AgentMethod {
  requireKnownKeys("method", definition, ["input", "run"]);
  const { input: schema, run } = definition;
  requireSchema(schema);
  if (typeof run !== "function") {
    throw new InvalidOptionsError(`method needs run, a function; got ${shown(run)}.`);
  }
  return async (input, call) =>
    run((await parseWith(schema, `input of ${call.method}`, input)) as never, call);
}
