import { EtaskError } from "../base/errors.ts";

/** A schedule's definition makes no sense. Nothing was written. */
export class InvalidScheduleError extends EtaskError {
  readonly code = "INVALID_SCHEDULE";
  /** The option that is wrong. */
  readonly option: string;
  /** In a cron expression: where the wrong field begins, counted in characters from 1. */
  readonly position: number | undefined;

  constructor(option: string, message: string, position?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.option = option;
    this.position = position;
  }
}

/** There is no schedule of this name. */
export class ScheduleNotFoundError extends EtaskError {
  readonly code = "SCHEDULE_NOT_FOUND";

  constructor(name: string) {
    super(`There is no schedule ${name}.`);
  }
}

/** A schedule of this name exists already, so it was not created. */
export class ScheduleExistsError extends EtaskError {
  readonly code = "SCHEDULE_EXISTS";

  constructor(name: string) {
    super(`The schedule ${name} exists already; upsert replaces it.`);
  }
}

/** Two owners want a schedule of the same name, or it kept changing while it was to be changed. */
export class ScheduleConflictError extends EtaskError {
  readonly code = "SCHEDULE_CONFLICT";
}
