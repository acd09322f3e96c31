import { EtaskError } from "../../base/errors.ts";
import { ABORT_TEXTS, type AbortReason, type FailureHints } from "../../task/failure.ts";

/**
 * The agent died or left while it had the call: its lease is gone. What it did until then is done;
 * whether the next attempt may do it again is for the method to know.
 */
export class AgentGoneError extends EtaskError {
  readonly code = "AGENT_GONE";
}

/** The agent was started anew while it had the call, and lives. The call died with its old life. */
export class AgentRestartedError extends EtaskError {
  readonly code = "AGENT_RESTARTED";
}

/** No live agent has the name, or all the labels. */
export class AgentAbsentError extends EtaskError {
  readonly code = "AGENT_ABSENT";
}

/** The agent has as many calls as it takes, or an older attempt at the task has not ended there. */
export class AgentBusyError extends EtaskError implements FailureHints {
  readonly code = "AGENT_BUSY";
  readonly retryAfterMs: number = 1_000;
}

/** The agent has no method of that name. Another attempt would fail the same way. */
export class AgentMethodUnknownError extends EtaskError implements FailureHints {
  readonly code = "AGENT_METHOD_UNKNOWN";
  readonly final: boolean = true;
}

/** The agent speaks another version of the protocol, or none. */
export class AgentProtocolError extends EtaskError implements FailureHints {
  readonly code = "AGENT_PROTOCOL";
  readonly final: boolean = true;
}

/** Another live agent has the name. */
export class AgentNameTakenError extends EtaskError {
  readonly code = "AGENT_NAME_TAKEN";
}

/** The service could not be reached, or the connection to it broke while it had the call. */
export class RpcUnavailableError extends EtaskError {
  readonly code = "RPC_UNAVAILABLE";
}

/** No connection by TLS: one side has it and the other has not, or a certificate is not trusted. */
export class RpcDeniedError extends EtaskError {
  readonly code = "RPC_DENIED";
}

/** A service answered with a status other than OK. */
export class RpcFailedError extends EtaskError implements FailureHints {
  readonly code = "RPC_FAILED";
  /** The name of the status, as in `"NOT_FOUND"`. */
  readonly status: string;
  readonly final: boolean;
  /** What the service asks for, else 0. */
  readonly retryAfterMs: number;

  constructor(
    message: string,
    facts: { readonly status: string; readonly final: boolean; readonly retryAfterMs: number },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = facts.status;
    this.final = facts.final;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** Why a call was told to stop, as `call.signal.reason`. */
export class CallAbortedError extends EtaskError {
  readonly code = "ATTEMPT_ABORTED";
  readonly reason: CallAbortReason;

  constructor(reason: CallAbortReason) {
    super(TEXTS[reason]);
    this.reason = reason;
  }
}

/** The reasons in {@link CallAbortedError}. */
export type CallAbortReason =
  | AbortReason
  | "disconnected"
  | "superseded"
  | "stopping"
  | "agent-lease-lost";

const TEXTS: Readonly<Record<CallAbortReason, string>> = {
  ...ABORT_TEXTS,
  preempted: "The worker's host has no room for idle tasks any more; the task goes back.",
  disconnected: "The worker that called is gone, or gave the call up.",
  superseded: "A newer attempt at the task has come.",
  stopping: "The agent is stopping.",
  "agent-lease-lost": "The agent lost its lease; others take it to be dead.",
};

/** The reason that a text names; for another text, that the caller is gone. */
export function abortReasonOf(text: string): CallAbortReason {
  return Object.hasOwn(TEXTS, text) ? (text as CallAbortReason) : "disconnected";
}
