import type { StandardSchemaV1 } from "@standard-schema/spec";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireKnownKeys, requireOneOf, shown } from "../../base/options.ts";
import { type EtcdTlsOptions, readTls, type TlsMaterial } from "../../store/etcd/etcd-options.ts";
import type { TaskContext } from "../../task/context.ts";
import { TASK_OPTIONS } from "../../task/enqueue-options.ts";
import { parseWith, requireSchema } from "../../task/input.ts";
import { requireTaskName } from "../../task/names.ts";
import { isSnooze, snooze } from "../../task/outcome.ts";
import { type BaseTask, defineTask, type Handler, type TaskDefinition } from "../../task/task.ts";
import { type AgentChoice, AgentDirectory } from "./agent-directory.ts";
import { requireLabels } from "./agent-options.ts";
import { callAgent } from "./call-agent.ts";
import { chooseAgent } from "./choose-agent.ts";
import { AgentAbsentError } from "./rpc-errors.ts";

/** How a task proves itself to agents by TLS, and whom it trusts. Names of files in PEM. */
export type RpcTlsOptions = EtcdTlsOptions;

/** What {@link rpcTask} takes. */
export interface RpcTaskOptions<In, Parsed, Out, Progress>
  extends Omit<TaskDefinition<Parsed, Out, Progress>, "run"> {
  /** Checks the input when the task is enqueued and again before the agent is called. */
  readonly input?: StandardSchemaV1<In, Parsed>;
  /** Checks what the agent returns. */
  readonly output?: StandardSchemaV1<unknown, Out>;
  /** The name of the agent, or labels that it must have; or what says so for an input. */
  readonly agent: AgentChoice | ((input: Parsed) => AgentChoice);
  /** The method that the agent is to run, with the task's input. */
  readonly method: string;
  /**
   * Without a live agent, the task waits and tries again every 5 s, which uses up no attempt; or it
   * fails. Default `"wait"`.
   */
  readonly ifAbsent?: "wait" | "fail";
  /** Needed for agents that are called by TLS. */
  readonly tls?: RpcTlsOptions;
}

const OPTIONS = [
  ...["name", "input", "output", "progress", "agent", "method", "ifAbsent", "tls"],
  ...TASK_OPTIONS,
];
const ABSENT_PAUSE_MS = 5_000;

/**
 * A task whose work is done by an agent (see `serveAgent`): it is called on the node that the input
 * names, its progress and log lines become the task's, and its result is the task's result.
 *
 * ```ts
 * const formatDisk = rpcTask({
 *   name: "disk.format",
 *   input: z.object({ node: z.string(), device: z.string() }),
 *   agent: (input) => input.node,
 *   method: "disk.format",
 *   retry: { attempts: 5 },
 * });
 * ```
 *
 * An attempt fails with `AGENT_GONE` as soon as the agent's lease is gone, with `AGENT_RESTARTED`
 * when it was started anew meanwhile, and with the agent's own error, by its name, code and hints,
 * when the method throws. A cancel or a time limit reaches the method's `call.signal`.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function rpcTask<In = void, Out = unknown, Progress = unknown, Parsed = In>(
  given: RpcTaskOptions<In, Parsed, Out, Progress>,
): BaseTask<In, Out, Progress> {
  requireKnownKeys("rpcTask", given, OPTIONS);
  const {
    input,
    output,
    agent,
    method,
    ifAbsent = "wait",
    tls,
    progress: _typeOnly,
    ...options
  } = given;
  requireRoute(agent);
  requireTaskName(method, "method");
  requireOneOf("ifAbsent", ifAbsent, ["wait", "fail"]);
  requireSchema(output);
  const route: Route<Parsed> = { agent, method, ifAbsent, tls: tls && readTls(tls) };
  const definition: TaskDefinition<Parsed, Out, Progress> & { input?: StandardSchemaV1 } = {
    ...options,
    ...(input && { input }),
    run: async (value, context) => (await runAt(route, value, context)) as Out,
  };
  // A producer sees the input as it is before the schema, the handler as it is after it.
  const call = defineTask(definition) as unknown as BaseTask<In, Out, Progress>;
  return output === undefined ? call : call.derive({ run: checkedBy(output, method) });
}

interface Route<Input> {
  readonly agent: AgentChoice | ((input: Input) => AgentChoice);
  readonly method: string;
  readonly ifAbsent: "wait" | "fail";
  readonly tls: TlsMaterial | undefined;
}

/** Calls the agent as the base does, and checks what it returns. */
function checkedBy<In, Out, Progress>(output: StandardSchemaV1<unknown, Out>, method: string) {
  return async (base: Handler<In, Out, Progress>, input: In, context: TaskContext<Progress>) => {
    const result = await base(input, context);
    if (isSnooze(result)) return result;
    return (await parseWith(output, `result of ${method}`, result)) as Out;
  };
}

async function runAt<Input>(
  { agent: given, method, ifAbsent, tls }: Route<Input>,
  input: Input,
  context: TaskContext<never>,
): Promise<unknown> {
  const choice = typeof given === "function" ? requireChoice(given(input)) : given;
  const directory = AgentDirectory.of(context.store);
  const done = directory.use();
  try {
    const agent = await chooseAgent(directory, choice, method, context.signal);
    if (agent) {
      const call = callAgent({ directory, agent, method, input, context, tls });
      return await call.finally(() => agent.end());
    }
  } finally {
    done();
  }
  context.signal.throwIfAborted();
  const text = `no live agent ${choiceText(choice)}`;
  if (ifAbsent === "wait") return snooze(ABSENT_PAUSE_MS, text);
  throw new AgentAbsentError(`There is ${text}.`);
}

function choiceText(choice: AgentChoice): string {
  if (typeof choice === "string") return `named ${choice}`;
  const labels = Object.entries(choice.labels).map(([name, value]) => `${name}=${value}`);
  return `with the labels ${labels.join(", ")}`.slice(0, 300);
}

function requireRoute(agent: unknown): void {
  if (typeof agent !== "function") requireChoice(agent);
}

function requireChoice(choice: unknown): AgentChoice {
  if (typeof choice === "string") return requireTaskName(choice, "agent");
  const { labels } = (choice ?? {}) as { labels?: unknown };
  if (labels !== undefined) return { labels: requireLabels("agent.labels", labels) };
  throw new InvalidOptionsError(
    `agent must be a name, or { labels }, or a function of the input that returns one of these; ` +
      `got ${shown(choice)}.`,
  );
}
