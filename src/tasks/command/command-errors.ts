import { EtaskError } from "../../base/errors.ts";
import type { FailureHints } from "../../task/failure.ts";

/** The program ran and did not succeed, or could not be started for want of resources. */
export class CommandFailedError extends EtaskError implements FailureHints {
  readonly code = "COMMAND_FAILED";
  /** `undefined` when a signal ended it, or it did not start. */
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** The end of what it wrote to its standard error. */
  readonly stderr: string;
  /** True when `exitCodes` says so. */
  readonly final: boolean;

  constructor(
    message: string,
    facts: {
      readonly exitCode?: number | undefined;
      readonly signal?: NodeJS.Signals | undefined;
      readonly stderr?: string;
      readonly final?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: facts.cause });
    this.exitCode = facts.exitCode;
    this.signal = facts.signal;
    this.stderr = facts.stderr ?? "";
    this.final = facts.final ?? false;
  }
}

/** There is no such program, or no such working directory, on the worker's host. */
export class CommandNotFoundError extends EtaskError implements FailureHints {
  readonly code = "COMMAND_NOT_FOUND";
  readonly final = true;
}

/** The program is there and cannot be started: the message says what keeps it. */
export class CommandNotExecutableError extends EtaskError implements FailureHints {
  readonly code = "COMMAND_NOT_EXECUTABLE";
  readonly final = true;
}

/** The program succeeded, and what it wrote is not what `result` says. */
export class CommandBadOutputError extends EtaskError implements FailureHints {
  readonly code = "COMMAND_BAD_OUTPUT";
  readonly final = true;
}
