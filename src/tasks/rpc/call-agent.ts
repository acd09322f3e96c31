/**
 * One call of a task at an agent, and what its end means.
 *
 * While the connection holds, the stream tells how the call ends. Two more things are watched:
 *
 * - **The agent's key goes.** Its lease is over, or it left. What it may still have sent is waited
 *   for during {@link SETTLE_MS}: an agent that stops in good order sends results and then removes
 *   its key, and the two come by different ways. Then the call fails: `AGENT_RESTARTED` when the
 *   name has a new key by then, else `AGENT_GONE`.
 * - **The attempt must stop**, by a cancel, a time limit or the worker's end. The agent is told,
 *   with
 *   the reason, and its handler's end is waited for as that of any handler; after {@link OBEY_MS}
 *   the call is given up.
 *
 * When the connection breaks, something has happened to the agent, its process or the network, and
 * it is not known what. So the agent is asked how it is, again and again, until one of these is
 * known: it lives on (`RPC_UNAVAILABLE`), another life answers at its address (`AGENT_RESTARTED`),
 * its key goes (as above). That takes no longer than its lease lives.
 *
 * If the worker dies, the connection breaks, the agent tells its handler to stop, and the task's
 * next attempt comes with a higher fence.
 */
import { type ServiceError, status } from "@grpc/grpc-js";
import type { CancelTimer } from "../../base/clock.ts";
import { untilOver, within } from "../../base/within.ts";
import type { TlsMaterial } from "../../store/etcd/etcd-options.ts";
import type { TaskContext } from "../../task/context.ts";
import { AttemptAbortedError, AttemptStaleError } from "../../task/failure.ts";
import type { AgentDirectory } from "./agent-directory.ts";
import { ClientCall, type Ending } from "./client-call.ts";
import { isDenied, textOf, unavailable } from "./grpc-client.ts";
import { type GrpcVerdicts, statusError } from "./grpc-status.ts";
import type { KnownAgent } from "./known-agent.ts";
import { CODE_TRAILER, encodeValue, PROTOCOL } from "./protocol.ts";
import {
  AgentBusyError,
  AgentGoneError,
  AgentMethodUnknownError,
  AgentProtocolError,
  AgentRestartedError,
  RpcDeniedError,
} from "./rpc-errors.ts";

const SETTLE_MS = 500;
const OBEY_MS = 60_000;
const PROBE_MS = 1_000;
const PROBE_PAUSE_MS = 200;
/** Servers notice late that a lease is over. */
const EXPIRY_LATE_MS = 2_000;

/** What a call is made of. */
export interface AgentCallOptions {
  readonly directory: AgentDirectory;
  readonly agent: KnownAgent;
  readonly method: string;
  readonly input: unknown;
  readonly context: TaskContext<never>;
  readonly tls: TlsMaterial | undefined;
}

/** Calls the agent and resolves to the method's result. @throws as the essay above says. */
export async function callAgent(options: AgentCallOptions): Promise<unknown> {
  const { directory, agent, method, input, context, tls } = options;
  const { clock } = directory.world;
  context.signal.throwIfAborted();
  requireSameTls(agent, tls);
  const stream = agent.connection(tls).call({
    protocol: PROTOCOL,
    incarnation: agent.record.incarnation,
    task: context.id,
    attempt: context.attempt,
    fence: context.fence,
    method,
    input: encodeValue(input),
    headers: context.headers,
  });
  const call = new ClientCall(stream, context, clock);
  const stopListening = cancelWhenAborted(call, options);
  try {
    const ending =
      (await within(call.ending, { signals: [agent.gone] })) ??
      (await within(call.ending, { ms: SETTLE_MS, clock }));
    if (ending?.kind === "result") return ending.output;
    throw await errorOfEnding(ending, options);
  } finally {
    stopListening();
    call.close();
  }
}

/** A task that has certificates must not speak without them, whatever the store says. */
function requireSameTls(agent: KnownAgent, tls: TlsMaterial | undefined): void {
  if (agent.record.tls === (tls !== undefined)) return;
  const text = agent.record.tls
    ? "is called by TLS only: give the task tls"
    : "is called without TLS, but the task has tls: give it to the agent, too";
  throw new RpcDeniedError(`The ${agent.text} ${text}.`);
}

/** Tells the agent when the attempt must stop. Returns what ends that. */
function cancelWhenAborted(call: ClientCall, options: AgentCallOptions): () => void {
  const { directory, agent, context, tls } = options;
  const { clock } = directory.world;
  const { signal } = context;
  let cancelTimer: CancelTimer = () => {};
  const giveUpAfter = (ms: number) => {
    cancelTimer();
    cancelTimer = clock.after(ms, () => call.cancel());
  };
  const onAbort = async () => {
    giveUpAfter(OBEY_MS);
    const request = { task: context.id, fence: context.fence, reason: reasonOf(signal) };
    const answer = agent.connection(tls).cancel(request, clock);
    const { found } = await answer.catch(() => ({ found: false }));
    // It may have ended, and the end be on its way.
    if (!found) giveUpAfter(SETTLE_MS);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return () => {
    signal.removeEventListener("abort", onAbort);
    cancelTimer();
  };
}

function reasonOf({ reason }: AbortSignal): string {
  return reason instanceof AttemptAbortedError ? reason.reason : "cancelled";
}

async function errorOfEnding(
  ending: Exclude<Ending, { kind: "result" }> | undefined,
  options: AgentCallOptions,
): Promise<unknown> {
  const { agent, directory } = options;
  if (ending === undefined) return lossOf(agent, directory);
  if (ending.kind === "failure") return ending.error;
  const { error } = ending;
  const said = saidBy(agent, error);
  if (said) {
    // Its key may live on for a while; no other call need find that out.
    if (isLoss(said)) agent.trust = "lost";
    return said;
  }
  // Then it was given up here.
  if (options.context.signal.aborted) return options.context.signal.reason;
  if (BROKEN.has(error.code) && !isDenied(error)) return await errorOfBreak(error, options);
  return statusError(agent.text, error, ALWAYS_AGAIN);
}

/** What is wrong between worker and agent is not the task's fault. */
const ALWAYS_AGAIN: GrpcVerdicts = {
  INVALID_ARGUMENT: "retry",
  PERMISSION_DENIED: "retry",
  UNAUTHENTICATED: "retry",
};

/** What gRPC makes of a connection that breaks, depending on how. */
const BROKEN: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
]);

/** What the agent itself says by its status. */
function saidBy(agent: KnownAgent, error: ServiceError): Error | undefined {
  const [code] = error.metadata?.get(CODE_TRAILER) ?? [];
  const text = `The ${agent.text} refuses the call: ${textOf(error)}`;
  switch (code) {
    case "AGENT_GONE":
      return new AgentGoneError(text);
    case "AGENT_RESTARTED":
      return new AgentRestartedError(text);
    case "AGENT_BUSY":
      return new AgentBusyError(text);
    case "AGENT_METHOD_UNKNOWN":
      return new AgentMethodUnknownError(text);
    case "AGENT_PROTOCOL":
      return new AgentProtocolError(text);
    case "ATTEMPT_STALE":
      return new AttemptStaleError(text);
    default:
      if (error.code !== status.UNIMPLEMENTED) return undefined;
      return new AgentProtocolError(`At the address of ${agent.text} is no etask agent.`);
  }
}

function isLoss(error: Error): boolean {
  return error instanceof AgentGoneError || error instanceof AgentRestartedError;
}

/** Finds out why the connection broke; see the essay above. */
async function errorOfBreak(error: ServiceError, options: AgentCallOptions): Promise<Error> {
  const { agent, directory, context, tls } = options;
  const { clock } = directory.world;
  const until = clock.monotonic() + agent.record.ttlMs + EXPIRY_LATE_MS;
  agent.trust = "suspect";
  const signals = [agent.gone, context.signal];
  while (!agent.gone.aborted && !context.signal.aborted && clock.monotonic() < until) {
    const asked = agent.connection(tls).health(clock, PROBE_MS);
    const health = await within(
      asked.catch(() => undefined),
      { signals },
    );
    if (health?.incarnation === agent.record.incarnation) {
      agent.trust = "trusted";
      break;
    }
    if (health) {
      agent.trust = "lost";
      return restarted(agent);
    }
    await untilOver({ ms: PROBE_PAUSE_MS, clock, signals });
  }
  if (!agent.gone.aborted) return unavailable(agent.text, error);
  await successor(agent, directory);
  return lossOf(agent, directory);
}

/** Waits a moment for the next life of an agent whose key has gone. */
async function successor(agent: KnownAgent, directory: AgentDirectory): Promise<void> {
  const { clock } = directory.world;
  const until = clock.monotonic() + SETTLE_MS;
  while (!directory.get(agent.name)) {
    const ms = until - clock.monotonic();
    if (ms <= 0) return;
    await within(directory.changed, { ms, clock });
  }
}

function lossOf(agent: KnownAgent, directory: AgentDirectory): Error {
  if (directory.get(agent.name)) return restarted(agent);
  return new AgentGoneError(`The ${agent.text} is gone: its lease is over.`);
}

function restarted(agent: KnownAgent): Error {
  return new AgentRestartedError(`The ${agent.text} was started anew while it had the call.`);
}
