/**
 * A task that is one run of a program, without a shell.
 *
 * One attempt: make the call from the input → find the program → start it in a process group of its
 * own → log what it writes, keep the end of it, look for progress → when it has exited, kill what
 * it left behind → the exit code says what the attempt came to.
 *
 * When the attempt is to stop (a cancel, a time limit, the end of the worker, a lost lease), the
 * group gets SIGTERM, after `killGrace` SIGKILL, and the attempt ends with the reason, whatever the
 * program exits with. When the worker is killed, the group is killed at once (see
 * `process-group.ts`), and the next attempt begins when the worker's lease is over.
 */
import { basename, resolve } from "node:path";
import { type Clock, systemClock } from "../../base/clock.ts";
import { createDeferred } from "../../base/deferred.ts";
import { encodeJson, requireJson } from "../../base/json.ts";
import type { TaskContext } from "../../task/context.ts";
import { type BaseTask, defineTask } from "../../task/task.ts";
import { computed } from "../computed.ts";
import { CommandFailedError } from "./command-errors.ts";
import {
  type CommandCall,
  type CommandOutput,
  type CommandResult,
  type CommandResults,
  type CommandTaskOptions,
  type ResolvedCommandOptions,
  requireArgument,
  requireCommand,
  requireStdin,
  requireVariables,
  resolveCommandOptions,
} from "./command-options.ts";
import { createOutputStream } from "./command-output.ts";
import { readResult } from "./command-result.ts";
import { findProgram } from "./find-program.ts";
import {
  type ProcessEnd,
  type ProcessGroup,
  type ProcessOrder,
  startProcessGroup,
} from "./process-group.ts";

/**
 * Defines a task that runs a program. Its output goes to the task's log, line by line. The end of
 * the output is the result; `result` makes something else of it: `"text"`, `"lines"`, `"json"`, or
 * what a function returns.
 *
 * Needs a POSIX system with `/bin/sh`. Fails for good when there is no such program or it cannot be
 * executed; on any exit code that `exitCodes` does not explain the retry policy decides.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function commandTask<Out, Parsed = unknown, In = Parsed>(
  options: CommandTaskOptions<Parsed, In> & {
    readonly result: (output: CommandOutput) => Out | Promise<Out>;
  },
  world?: CommandWorld,
): BaseTask<In, Out>;
export function commandTask<Kind extends keyof CommandResults, Parsed = unknown, In = Parsed>(
  options: CommandTaskOptions<Parsed, In> & { readonly result: Kind },
  world?: CommandWorld,
): BaseTask<In, CommandResults[Kind]>;
export function commandTask<Parsed = unknown, In = Parsed>(
  options: CommandTaskOptions<Parsed, In>,
  world?: CommandWorld,
): BaseTask<In, CommandOutput>;
export function commandTask<Parsed, In>(
  options: CommandTaskOptions<Parsed, In> & { readonly result?: CommandResult },
  { clock }: CommandWorld = { clock: systemClock },
): BaseTask<In> {
  const resolved = resolveCommandOptions(options);
  return defineTask<never>({
    ...resolved.definition,
    run: (input, context) => runCommand(resolved, input, context, clock),
  }) as BaseTask<In>;
}

/** Time, for tests. Default: the real one. */
export interface CommandWorld {
  readonly clock: Clock;
}

async function runCommand(
  options: ResolvedCommandOptions,
  input: unknown,
  context: TaskContext,
  clock: Clock,
): Promise<unknown> {
  const order = await orderOf(options, input, context);
  const { signal } = context;
  if (signal.aborted) throw signal.reason;
  const { outputBytesMax, progress, killGraceMs } = options;
  const stdout = createOutputStream("stdout", outputBytesMax, progress, context);
  const stderr = createOutputStream("stderr", outputBytesMax, progress, context);
  await using group = await startProcessGroup(order, clock);
  group.stdout.on("data", stdout.push);
  group.stderr.on("data", stderr.push);
  const end = await endOf(group, signal, killGraceMs);
  await group.close();
  for (const stream of [stdout, stderr]) stream.end();
  if (end === undefined) throw signal.reason;
  requireSuccess(options, order.program, end, stderr.tail.text());
  return readResult(options.result, {
    exitCode: end.exitCode ?? 0,
    stdout: stdout.tail.text(),
    stderr: stderr.tail.text(),
    cutBytes: { stdout: stdout.tail.cutBytes, stderr: stderr.tail.cutBytes },
  });
}

/** How the program ended by itself; `undefined` when it was stopped. */
async function endOf(
  group: ProcessGroup,
  signal: AbortSignal,
  killGraceMs: number,
): Promise<ProcessEnd | undefined> {
  const stopped = createDeferred<undefined>();
  const stop = () => {
    group.terminate(killGraceMs).then(() => stopped.resolve(undefined));
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const end = await Promise.race([group.exited, stopped.promise]);
    return signal.aborted ? undefined : end;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function orderOf(
  options: ResolvedCommandOptions,
  input: unknown,
  context: TaskContext,
): Promise<ProcessOrder> {
  const { command, env, limits } = options;
  const call = typeof command === "function" ? command(input as never) : fixedCall(command, input);
  const { order, variables } = computed(() => {
    const { program, args = [], cwd = options.cwd ?? process.cwd() } = call;
    const [name, ...texts] = requireCommand(Array.isArray(args) ? [program, ...args] : args);
    const own = requireVariables("env", call.env ?? {});
    const stdin = stdinOf(call.stdin);
    const folder = resolve(requireArgument("cwd", cwd));
    return { order: { program: name, args: texts, cwd: folder, stdin }, variables: own };
  });
  const passed = env.pass.map((name) => [name, process.env[name]] as const);
  const environment = {
    ...Object.fromEntries(passed.filter(([, value]) => value !== undefined)),
    ...env.set,
    ...variables,
    ...ownVariables(context),
  } as Record<string, string>;
  const program = await findProgram(order.program, order.cwd, environment.PATH);
  return { ...order, program, env: environment, limits };
}

function fixedCall(
  [program, ...args]: readonly [string, ...string[]],
  input: unknown,
): CommandCall {
  return { program, args, stdin: typeof input === "string" ? JSON.stringify(input) : input };
}

function stdinOf(stdin: unknown): Uint8Array | string | undefined {
  if (stdin === undefined) return undefined;
  if (typeof stdin === "string" || stdin instanceof Uint8Array) return requireStdin(stdin);
  requireJson("stdin", stdin);
  return requireStdin(encodeJson(stdin));
}

/** What lets a program tell a task's attempts apart, and go on with a trace. */
function ownVariables({ id, attempt, fence, headers }: TaskContext): Record<string, string> {
  const { traceparent } = headers;
  return {
    ETASK_TASK_ID: id,
    ETASK_ATTEMPT: `${attempt}`,
    ETASK_FENCE: `${fence}`,
    ...(traceparent === undefined ? undefined : { TRACEPARENT: traceparent }),
  };
}

const STDERR_SHOWN_MAX = 1_000;

function requireSuccess(
  { exitCodes, limits }: ResolvedCommandOptions,
  program: string,
  { exitCode, signal }: ProcessEnd,
  stderr: string,
): void {
  const known = exitCode === undefined ? undefined : exitCodes[exitCode];
  const meaning = known ?? (exitCode === 0 ? "succeeded" : (exitCodes.others ?? "retry"));
  if (meaning === "succeeded" && exitCode !== undefined) return;
  const overused = signal === "SIGXCPU" && limits.cpuSeconds !== undefined;
  const how = overused
    ? `used its ${limits.cpuSeconds} s of CPU time (limits.cpuSeconds)`
    : signal === undefined
      ? `exited with code ${exitCode}`
      : `was ended by ${signal}`;
  const said = stderr.trim().slice(-STDERR_SHOWN_MAX);
  throw new CommandFailedError(`${basename(program)} ${how}${said === "" ? "." : `: ${said}`}`, {
    ...{ exitCode, signal, stderr: said },
    final: meaning === "final",
  });
}
