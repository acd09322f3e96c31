import { CommanderError } from "commander";
import { type ErrorCode, isEtaskError } from "../base/errors.ts";
import type { TaskFailure } from "../task/failure.ts";
import type { Output } from "./output.ts";

/** How the program ends. */
export const EXIT = { done: 0, failed: 1, usage: 2, away: 3 } as const;

/** What an error means for whoever called the program. */
export interface Remedy {
  readonly exit: number;
  readonly hint: string;
}

const OWN_HELP = "See --help of the command.";

const failed = (hint: string): Remedy => ({ exit: EXIT.failed, hint });
const usage = (hint: string): Remedy => ({ exit: EXIT.usage, hint });
const away = (hint: string): Remedy => ({ exit: EXIT.away, hint });

const REMEDIES: Readonly<Record<ErrorCode, Remedy>> = {
  INVALID_OPTIONS: usage(OWN_HELP),
  INVALID_INPUT: usage("Correct the input; nothing was written."),
  NOT_JSON: usage("Correct the input; nothing was written."),
  PAYLOAD_TOO_LARGE: usage("Keep large data elsewhere and pass a reference."),
  INVALID_COMMIT: failed("Please report this: the command line should not get here."),
  UNKNOWN_TASK: usage("Check the name, or the module given with --app."),
  TASK_UNBOUND: usage("The app module must export tasks, not call them while it is loaded."),
  TASK_DUPLICATE: usage("Rename one of the two tasks in the app module."),
  TASK_NOT_FOUND: failed("etask tasks list shows the tasks that there are."),
  TASK_RUNNING: failed("Wait until it has ended; etask tasks watch shows when."),
  TASK_ENDED: failed("etask tasks retry makes it run once more."),
  TASK_NOT_ENDED: failed("Only a task that has ended can be retried."),
  TASK_NOT_UNIQUE: failed("Wait for the task that has the key, or cancel it; then try again."),
  TASK_FAILED: failed("etask tasks get shows all that is known of it."),
  FINAL_ERROR: failed("The handler said that no further attempt can mend it."),
  TASK_CANCELLED: failed("Somebody cancelled it."),
  TASK_EXPIRED: failed("No worker was free in time."),
  ENQUEUE_PARTIAL: failed("Some tasks were accepted: do the same again with the same ids."),
  WAIT_TIMEOUT: failed("The task goes on; etask tasks get shows how far it is."),
  ATTEMPT_STALE: failed("Another worker has the task now."),
  ATTEMPT_ABORTED: failed("The task goes back to its queue."),
  ATTEMPT_TIMEOUT: failed("The task took longer than it may; etask tasks get shows its limits."),
  TASK_NOT_LOADABLE: usage("The app module must export the task that its isolate is about."),
  RUNNER_DIED: failed("What ran the attempt ended; etask tasks get shows how."),
  MEMORY_LIMIT: failed("Give the task more memory, or let it use less at a time."),
  NOT_IN_RUNNER: usage("Keep what starts workers apart from the module of an isolated task."),
  INVALID_SCHEDULE: usage("etask schedules preview shows when a schedule would run."),
  SCHEDULE_NOT_FOUND: failed("etask schedules list shows the schedules that there are."),
  SCHEDULE_EXISTS: failed("Choose another name, or use --replace."),
  SCHEDULE_CONFLICT: failed("Give one of the two schedules another name."),
  RECORD_MALFORMED: failed("etask doctor lists damaged records."),
  SCHEMA_VERSION: away("Upgrade etask, or use another namespace or directory."),
  STORE_UNAVAILABLE: away("Check that the store runs and that --store or ETASK_STORE names it."),
  STORE_DENIED: away("Check user, password and certificates in the store URL."),
  STORE_FULL: away("Free space in the store, then do the same again."),
  STORE_NEARLY_FULL: away("etask doctor says how full it is and what takes the space."),
  STORE_BUSY: away("The store does not keep up: try again later."),
  STORE_REFUSED: away("The message says why; a retry will not help."),
  STORE_CLOSED: failed("The command was ended while it worked."),
  STORE_URL: usage("The URL comes from --store, else from ETASK_STORE."),
  HISTORY_LOST: failed("List the tasks again, then watch from now on: leave out --after."),
  LEASE_LOST: failed("The store took this process to be dead: try again."),
  AGENT_GONE: failed("etask agents list shows the agents that live."),
  AGENT_RESTARTED: failed("The task is tried again if its retry policy says so."),
  AGENT_ABSENT: failed("etask agents list shows the agents that live, with their labels."),
  AGENT_BUSY: failed("The agent has as many calls as it takes; try again later."),
  AGENT_METHOD_UNKNOWN: failed("etask agents list shows what each agent can do."),
  AGENT_PROTOCOL: failed("Use one version of etask for workers and agents."),
  AGENT_NAME_TAKEN: failed("etask agents list shows who has the name; give each agent its own."),
  RPC_UNAVAILABLE: failed("Check that the worker's host can reach the address of the service."),
  RPC_DENIED: failed("Check the certificates and the tls options of both sides."),
  RPC_FAILED: failed("The message says what the service answered."),
  HTTP_STATUS: failed("The message says what the server answered."),
  HTTP_UNREACHABLE: failed("Check that the worker's host can reach the address."),
  HTTP_REFUSED_ADDRESS: failed("List it in the task's allowPrivate if it is meant to be called."),
  HTTP_BODY_TOO_LARGE: failed("Raise the task's responseBytesMax, or answer with a reference."),
  HTTP_BAD_RESPONSE: failed("The server has to be mended, or the task's output schema."),
  COMMAND_FAILED: failed("etask tasks log shows what the program wrote."),
  COMMAND_NOT_FOUND: failed("Install the program on the hosts of the workers, or name its path."),
  COMMAND_NOT_EXECUTABLE: failed("The message says what keeps the program from being started."),
  COMMAND_BAD_OUTPUT: failed("The program does not write what the task's result option says."),
};

/** Says what went wrong, and returns the exit code that tells it to scripts. */
export function reportFailure(
  error: unknown,
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): number {
  if (error instanceof CommanderError) return reportUsage(error, output);
  const code = isEtaskError(error) ? error.code : undefined;
  const remedy = remedyOf(error);
  const debugging = env.ETASK_DEBUG === "1";
  const hint = remedy?.hint ?? "Set ETASK_DEBUG=1 to see where this comes from.";
  output.error(messageOf(error), {
    code,
    hint,
    failure: code === "TASK_FAILED" ? failureIn(error, debugging) : undefined,
    stack: debugging ? stackOf(error) : undefined,
  });
  return remedy?.exit ?? EXIT.failed;
}

/** Commander throws also for what is no error: help that was asked for. */
function reportUsage({ code, exitCode, message }: CommanderError, output: Output): number {
  if (exitCode === 0) return EXIT.done;
  if (code !== "commander.help") {
    output.error(message.replace(/^error: /, ""), { code: "INVALID_OPTIONS", hint: OWN_HELP });
  }
  return EXIT.usage;
}

/** What is to be done about an error of etask's. */
export function remedyOf(error: unknown): Remedy | undefined {
  return isEtaskError(error) ? REMEDIES[error.code] : undefined;
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function failureIn(error: unknown, withStack: boolean): unknown {
  const { failure } = error as { failure?: TaskFailure };
  if (failure === undefined || withStack) return failure;
  return withoutStack(failure);
}

function withoutStack({ stack: _stack, cause, ...rest }: TaskFailure): TaskFailure {
  return cause === undefined ? rest : { ...rest, cause: withoutStack(cause) };
}

function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const cause = stackOf(error.cause);
  return cause === undefined ? error.stack : `${error.stack}\nCaused by: ${cause}`;
}
