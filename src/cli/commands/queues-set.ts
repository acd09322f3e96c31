import { type Command, Option } from "commander";
import { InvalidOptionsError } from "../../base/errors.ts";
import type { QueueOptions } from "../../broker/queue-settings.ts";
import type { StoredRetryOptions } from "../../task/retry-policy.ts";
import { durationArgument, wholeNumber } from "../arguments.ts";
import { type Cli, type GlobalOptions, withApp } from "../cli.ts";
import { sayChange } from "./queues-control.ts";

interface SetArguments extends GlobalOptions {
  readonly retryAttempts?: string;
  readonly retryBackoff?: NonNullable<StoredRetryOptions["backoff"]>;
  readonly retryDelay?: string;
  readonly retryMax?: string;
  readonly timeout?: string;
  readonly retention?: string;
  readonly retentionSucceeded?: string;
  readonly retentionFailed?: string;
  readonly order?: "sharded" | "strict";
  readonly concurrency?: string;
  readonly keepCount?: string;
  readonly keepBytes?: string;
}

const NONE = "none";

const EXAMPLES = `
The word none takes a setting back: --timeout none, --retry-attempts none (the whole policy).

Examples:
  $ etask queues set mail --retry-attempts 5 --retry-delay 10s --timeout 30s
  $ etask queues set mail --concurrency 2 --order strict --keep-count 10000
`;

/** Adds `etask queues set`. */
export function addQueuesSet(queues: Command, cli: Cli): void {
  queues
    .command("set")
    .description("Sets what holds for the tasks of a queue; what is left out stays.")
    .argument("<queue>", "the queue's name")
    .option("--retry-attempts <n>", "attempts in all, for tasks that say nothing")
    .addOption(
      new Option("--retry-backoff <kind>", "how the pauses grow; default exponential").choices([
        "immediate",
        "constant",
        "linear",
        "exponential",
      ]),
    )
    .option("--retry-delay <duration>", "the first pause")
    .option("--retry-max <duration>", "the longest pause")
    .option("--timeout <duration>", "how long one attempt may take")
    .option("--retention <duration>", "how long ended tasks are kept")
    .option("--retention-succeeded <duration>", "the same of those that succeeded alone")
    .option("--retention-failed <duration>", "the same of all others")
    .addOption(
      new Option("--order <kind>", "strict: in order across all workers").choices([
        "sharded",
        "strict",
        NONE,
      ]),
    )
    .option("--concurrency <n>", "most tasks of it that one worker runs at once")
    .option("--keep-count <n>", "how many ended tasks are kept, whatever their age")
    .option("--keep-bytes <n>", "how many bytes of them")
    .addHelpText("after", EXAMPLES)
    .action((queue: string, _options, command: Command) =>
      set(cli, queue, command.optsWithGlobals<SetArguments>()),
    );
}

async function set(cli: Cli, queue: string, given: SetArguments): Promise<void> {
  const options = queueOptionsOf(given);
  if (Object.keys(options).length === 0) {
    throw new InvalidOptionsError("Nothing to set: give at least one setting.");
  }
  const change = await withApp(cli, given, (app) => app.queues.configure(queue, options));
  sayChange(cli, change, "is set so");
}

function queueOptionsOf(given: SetArguments): QueueOptions {
  const { timeout, order, concurrency, keepCount, keepBytes } = given;
  const retry = retryOf(given);
  const retention = retentionOf(given);
  const keep = {
    ...(keepCount !== undefined && { count: numberOrNull("--keep-count", keepCount) }),
    ...(keepBytes !== undefined && { bytes: numberOrNull("--keep-bytes", keepBytes) }),
  };
  return {
    ...(retry !== undefined && { retry }),
    ...(timeout !== undefined && { timeout: timeout === NONE ? null : durationArgument(timeout) }),
    ...(retention !== undefined && { retention }),
    ...(order !== undefined && { order: (order as string) === NONE ? null : order }),
    ...(concurrency !== undefined && { concurrency: numberOrNull("--concurrency", concurrency) }),
    ...(Object.keys(keep).length > 0 && { keep }),
  };
}

function retryOf(given: SetArguments): StoredRetryOptions | null | undefined {
  const { retryAttempts, retryBackoff, retryDelay, retryMax } = given;
  const rest = {
    ...(retryBackoff !== undefined && { backoff: retryBackoff }),
    ...(retryDelay !== undefined && { delay: durationArgument(retryDelay) }),
    ...(retryMax !== undefined && { max: durationArgument(retryMax) }),
  };
  if (retryAttempts === NONE) return null;
  if (retryAttempts !== undefined) {
    return { attempts: wholeNumber("--retry-attempts", retryAttempts), ...rest };
  }
  if (Object.keys(rest).length === 0) return undefined;
  throw new InvalidOptionsError(
    "A retry policy is set as a whole: give --retry-attempts with the other --retry options.",
  );
}

function retentionOf(given: SetArguments): QueueOptions["retention"] {
  const { retention, retentionSucceeded, retentionFailed } = given;
  const each = {
    ...(retentionSucceeded !== undefined && { succeeded: durationArgument(retentionSucceeded) }),
    ...(retentionFailed !== undefined && { failed: durationArgument(retentionFailed) }),
  };
  if (retention !== undefined && Object.keys(each).length > 0) {
    throw new InvalidOptionsError(
      "Give either --retention or --retention-succeeded and --retention-failed.",
    );
  }
  if (retention === NONE) return null;
  if (retention !== undefined) return durationArgument(retention);
  return Object.keys(each).length > 0 ? each : undefined;
}

function numberOrNull(option: string, text: string): number | null {
  return text === NONE ? null : wholeNumber(option, text);
}
