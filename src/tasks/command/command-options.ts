import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Duration, durationMs } from "../../base/duration.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireInteger, requireKnownKeys, requireOneOf, shown } from "../../base/options.ts";
import { TASK_OPTIONS } from "../../task/enqueue-options.ts";
import type { TaskDefinition } from "../../task/task.ts";
import type { ProgressRule } from "./command-output.ts";
import type { ProcessLimits } from "./process-group.ts";

/** What a program is called with, made from the input. */
export interface CommandCall {
  /** A name, looked for in the `PATH` that the program gets, or a path. */
  readonly program: string;
  /** Handed over one by one; no shell reads them. */
  readonly args?: readonly string[];
  /** Default: the option `cwd`. */
  readonly cwd?: string;
  /** Added to the option `env`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Text or bytes as they are, else JSON. Default: nothing. At most 16 MiB. */
  readonly stdin?: unknown;
}

/** The environment of a program. */
export interface CommandEnvironment {
  /**
   * Which variables of the worker's environment it gets. Default: `PATH`, `HOME`, `LANG`, `TZ` and
   * `TMPDIR`.
   */
  readonly pass?: readonly string[];
  /** Variables beside those. */
  readonly set?: Readonly<Record<string, string>>;
}

/** What each process of a command may use. */
export interface CommandLimits {
  /** Of CPU time; it is ended by SIGXCPU after that. From 1 to 31,536,000. */
  readonly cpuSeconds?: number;
  /** Of data it can write to, from 1 MiB. Linux only; elsewhere the attempt fails for good. */
  readonly memoryBytes?: number;
  /** From 16 to 1,048,576. */
  readonly openFiles?: number;
}

/** What an exit code means. */
export type ExitMeaning = "succeeded" | "retry" | "final";

/** What a program that succeeded wrote. */
export interface CommandOutput {
  readonly exitCode: number;
  /** The last `outputBytesMax` bytes, as UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
  /** How many bytes went before that and were not kept. */
  readonly cutBytes: { readonly stdout: number; readonly stderr: number };
}

/** What results of a named kind are. */
export interface CommandResults {
  /** Standard output without its last newline. */
  readonly text: string;
  /** Its lines. */
  readonly lines: string[];
  /** What it says as JSON. */
  readonly json: unknown;
}

/** How the result is made of the output. */
export type CommandResult = keyof CommandResults | ((output: CommandOutput) => unknown);

/** What {@link commandTask} takes, beside what every task does. */
export interface CommandTaskOptions<Parsed, In>
  extends Omit<TaskDefinition<Parsed, unknown, unknown>, "run" | "progress"> {
  /** Checks the input when the task is enqueued and again before the program starts. */
  readonly input?: StandardSchemaV1<In, Parsed>;
  /**
   * What is run: a program, or a list of a program and its arguments, which get the input as JSON
   * on standard input; or a function that makes a {@link CommandCall} of the input.
   */
  readonly command: string | readonly string[] | ((input: Parsed) => CommandCall);
  /** The working directory. Default: the worker's. */
  readonly cwd?: string;
  readonly env?: CommandEnvironment;
  /**
   * How many bytes are kept of each stream, from its end. Default 256 KiB, or 16 KiB without
   * `result`; at most 16 MiB.
   */
  readonly outputBytesMax?: number;
  /**
   * How progress is told: a pattern whose first group is the percentage, or lines of JSON on
   * standard output, `{ "progress": 42, "detail": … }`, which are taken out of output and log.
   */
  readonly progress?: RegExp | "json-lines";
  /**
   * What exit codes mean; `others` stands for those not named. Default: 0 has succeeded, the rest
   * is worth a retry.
   */
  readonly exitCodes?: Readonly<Record<number, ExitMeaning>> & { readonly others?: ExitMeaning };
  /** Between SIGTERM and SIGKILL. Default 5 s, at most 10 minutes. */
  readonly killGrace?: Duration;
  readonly limits?: CommandLimits;
}

/** {@link CommandTaskOptions} with every default filled in and every bound checked. */
export interface ResolvedCommandOptions {
  /** What is left for `defineTask`. */
  readonly definition: Omit<TaskDefinition<never, unknown, unknown>, "run" | "progress">;
  readonly command: readonly [string, ...string[]] | ((input: never) => CommandCall);
  readonly cwd: string | undefined;
  readonly env: Required<CommandEnvironment>;
  readonly result: CommandResult | undefined;
  readonly outputBytesMax: number;
  readonly progress: ProgressRule;
  readonly exitCodes: Readonly<Record<string, ExitMeaning>>;
  readonly killGraceMs: number;
  readonly limits: ProcessLimits;
}

const OPTIONS = [
  ...["name", "input", "command", "cwd", "env", "result", "outputBytesMax", "progress"],
  ...["exitCodes", "killGrace", "limits", ...TASK_OPTIONS],
];
const PASS_DEFAULT = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];
const MEANINGS = ["succeeded", "retry", "final"] as const;
const RESULTS = ["text", "lines", "json"] as const;
const OUTPUT_BYTES_DEFAULT = 262_144;
/** Both streams fit into a result of 256 KiB even if every byte is written as six in JSON. */
const OUTPUT_BYTES_PLAIN = 16_384;
const BYTES_LIMIT = 16_777_216;
const ARGUMENTS_MAX = 10_000;
const VARIABLES_MAX = 1_000;
const YEAR_SECONDS = 31_536_000;

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveCommandOptions<Parsed, In>(
  given: CommandTaskOptions<Parsed, In> & { readonly result?: CommandResult },
): ResolvedCommandOptions {
  requireKnownKeys("commandTask", given, OPTIONS);
  const { command, cwd, env = {}, result, progress, ...others } = given;
  const { outputBytesMax, exitCodes = {}, killGrace, limits = {}, ...definition } = others;
  const bytesDefault = result === undefined ? OUTPUT_BYTES_PLAIN : OUTPUT_BYTES_DEFAULT;
  if (result !== undefined && typeof result !== "function") requireOneOf("result", result, RESULTS);
  return {
    definition,
    command:
      typeof command === "function"
        ? command
        : requireCommand(typeof command === "string" ? [command] : command),
    cwd: cwd === undefined ? undefined : requireArgument("cwd", cwd),
    env: resolveEnvironment(env),
    result,
    outputBytesMax: requireInteger(
      "outputBytesMax",
      outputBytesMax ?? bytesDefault,
      1,
      BYTES_LIMIT,
    ),
    progress: resolveProgress(progress),
    exitCodes: resolveExitCodes(exitCodes),
    killGraceMs: durationMs("killGrace", killGrace ?? "5s", 0, 600_000),
    limits: resolveLimits(limits),
  };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless it is a program and its arguments. */
export function requireCommand(given: unknown): readonly [string, ...string[]] {
  if (!Array.isArray(given) || given.length === 0 || given.length > ARGUMENTS_MAX) {
    throw new InvalidOptionsError(
      `command must be a program or a list [program, ...arguments] of up to ${ARGUMENTS_MAX} ` +
        `texts; got ${shown(given)}.`,
    );
  }
  const [program, ...args] = given.map((each) => requireArgument("command", each));
  if (program === undefined || program === "") {
    throw new InvalidOptionsError("command must begin with the name or the path of a program.");
  }
  return [program, ...args];
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless a process can be given that text. */
export function requireArgument(option: string, given: unknown): string {
  if (typeof given === "string" && !given.includes("\0")) return given;
  const got = typeof given === "string" ? "one with a NUL character" : shown(given);
  throw new InvalidOptionsError(`${option} must be text that a process can be given; got ${got}.`);
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the variable, without its value. */
export function requireVariables(option: string, given: unknown): Record<string, string> {
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new InvalidOptionsError(`${option} must be an object of texts; got ${shown(given)}.`);
  }
  const entries = Object.entries(given);
  if (entries.length > VARIABLES_MAX) {
    throw new InvalidOptionsError(
      `${option} may have up to ${VARIABLES_MAX} variables; got ${entries.length}.`,
    );
  }
  for (const [name, value] of entries) {
    requireVariableName(option, name);
    if (typeof value === "string" && !value.includes("\0")) continue;
    throw new InvalidOptionsError(
      `${option}.${name} must be text without NUL characters; got a ${typeof value}.`,
    );
  }
  return { ...given };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) when it is larger than 16 MiB. */
export function requireStdin(stdin: Uint8Array | string): Uint8Array | string {
  const bytes = Buffer.byteLength(stdin);
  if (bytes <= BYTES_LIMIT) return stdin;
  throw new InvalidOptionsError(
    `stdin may have up to ${BYTES_LIMIT} bytes; got ${bytes}. Pass the path of a file instead.`,
  );
}

function requireVariableName(option: string, name: unknown): string {
  if (typeof name === "string" && /^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) return name;
  throw new InvalidOptionsError(
    `${option} must name variables out of letters, digits and _, not beginning with a digit; got ` +
      `${shown(name)}.`,
  );
}

function resolveEnvironment(given: CommandEnvironment): Required<CommandEnvironment> {
  requireKnownKeys("env", given, ["pass", "set"]);
  const { pass = PASS_DEFAULT, set = {} } = given;
  if (!Array.isArray(pass) || pass.length > VARIABLES_MAX) {
    throw new InvalidOptionsError(
      `env.pass must be a list of up to ${VARIABLES_MAX} names; got ${shown(pass)}.`,
    );
  }
  return {
    pass: pass.map((name) => requireVariableName("env.pass", name)),
    set: requireVariables("env.set", set),
  };
}

function resolveProgress(given: unknown): ProgressRule {
  if (given === undefined || given === "json-lines") return given;
  if (!(given instanceof RegExp)) {
    throw new InvalidOptionsError(
      'progress must be a pattern whose first group is the percentage, or "json-lines"; got ' +
        `${shown(given)}.`,
    );
  }
  // With these flags a pattern remembers where it matched last.
  return new RegExp(given.source, given.flags.replace(/[gy]/g, ""));
}

function resolveExitCodes(given: object): Record<string, ExitMeaning> {
  const meanings: Record<string, ExitMeaning> = {};
  requireKnownKeys("exitCodes", given, Object.keys(given));
  for (const [code, meaning] of Object.entries(given)) {
    if (code !== "others") requireInteger("exitCodes", Number(code), 0, 255);
    meanings[code] = requireOneOf(`exitCodes.${code}`, meaning, MEANINGS);
  }
  return meanings;
}

function resolveLimits(given: CommandLimits): ProcessLimits {
  requireKnownKeys("limits", given, ["cpuSeconds", "memoryBytes", "openFiles"]);
  const limit = (option: keyof CommandLimits, min: number, max: number) =>
    given[option] === undefined
      ? undefined
      : requireInteger(`limits.${option}`, given[option], min, max);
  return {
    cpuSeconds: limit("cpuSeconds", 1, YEAR_SECONDS),
    memoryBytes: limit("memoryBytes", 1_048_576, 2 ** 50),
    openFiles: limit("openFiles", 16, 1_048_576),
  };
}
