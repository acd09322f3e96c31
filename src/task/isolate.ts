import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { type ByteSize, byteSize } from "../base/byte-size.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys, requireOneOf, shown } from "../base/options.ts";

/** Where a handler runs: in the worker itself, in a thread of it, or in a process of its own. */
export type IsolateKind = "inline" | "thread" | "process";

/** Where a handler runs, with what it may use there. */
export interface IsolateOptions {
  readonly kind: IsolateKind;
  /**
   * Memory that a runner of this task may use, up to 64 GiB. A thread: its JavaScript heap, from 32
   * MiB; a process: all that it has, from 192 MiB. Default: what the worker's `isolation` says.
   */
  readonly memory?: ByteSize;
  /**
   * The module that exports the task: `import.meta.url` there, or an absolute path. Default: the
   * one in which the task was defined.
   */
  readonly module?: string;
}

/** {@link IsolateOptions} of a task that does not run inline, checked. */
export interface ResolvedIsolate {
  readonly kind: "thread" | "process";
  readonly memoryBytes: number | undefined;
  /** A URL. */
  readonly module: string | undefined;
}

/** Least memory of a runner. Of that of a process, Node and a few packages take about half. */
export const RUNNER_BYTES_MIN: Readonly<Record<"thread" | "process", number>> = {
  thread: 32 * 1_048_576,
  process: 192 * 1_048_576,
};
/** Most memory of a runner. */
export const RUNNER_BYTES_MAX: number = 64 * 1_073_741_824;

const KINDS: readonly IsolateKind[] = ["inline", "thread", "process"];

/**
 * Reads a definition's `isolate`; `undefined` for a task that runs inline.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the member that is not allowed.
 */
export function resolveIsolate(
  given: IsolateKind | IsolateOptions | undefined,
): ResolvedIsolate | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "object") return resolveIsolate({ kind: requireKind("isolate", given) });
  requireKnownKeys("isolate", given, ["kind", "memory", "module"]);
  const kind = requireKind("isolate.kind", given.kind);
  const { memory, module } = given;
  const min = RUNNER_BYTES_MIN[kind === "process" ? "process" : "thread"];
  const resolved = {
    memoryBytes:
      memory === undefined ? undefined : byteSize("isolate.memory", memory, min, RUNNER_BYTES_MAX),
    module: module === undefined ? undefined : requireModule(module),
  };
  return kind === "inline" ? undefined : { kind, ...resolved };
}

function requireKind(option: string, kind: unknown): IsolateKind {
  return requireOneOf(option, kind, KINDS);
}

function requireModule(module: unknown): string {
  if (typeof module === "string" && /^file:\/\//.test(module)) return module;
  if (typeof module === "string" && isAbsolute(module)) return pathToFileURL(module).href;
  throw new InvalidOptionsError(
    "isolate.module must be the module that exports the task, as import.meta.url or an absolute " +
      `path; got ${shown(module)}.`,
  );
}
