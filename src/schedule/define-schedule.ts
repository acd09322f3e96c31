import { InvalidOptionsError } from "../base/errors.ts";
import { requireInteger, requireKnownKeys, shown } from "../base/options.ts";
import { requireScheduleName, SCHEDULE_OPTIONS } from "./resolve-schedule.ts";
import type { ScheduleOptions } from "./schedule-options.ts";

/** A schedule that belongs to an app, as part of its code. */
export interface DeclaredSchedule {
  readonly name: string;
  readonly version: number;
  readonly options: ScheduleOptions<never>;
}

/** What {@link defineSchedule} takes. */
export type ScheduleDeclaration<In> = ScheduleOptions<In> & {
  /** Begins the ids of its tasks: 1 to 100 of letters, digits and `_ . -`. */
  readonly name: string;
  /**
   * Raise it to go back to an earlier definition; see the guide on deploys. Default 0, up to
   * 1,000,000,000.
   */
  readonly version?: number;
};

/**
 * Declares a schedule in code, for `createApp({ schedules: [...] })`. It is stored when the app
 * opens, and again only when its definition has changed.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when a member is not known; what the members say
 *   is checked when the app opens.
 */
export function defineSchedule<In = unknown>(
  declaration: ScheduleDeclaration<In>,
): DeclaredSchedule {
  requireKnownKeys("defineSchedule", declaration, ["name", "version", ...SCHEDULE_OPTIONS]);
  const { name, version = 0, ...options } = declaration;
  return {
    name: requireScheduleName(name),
    version: requireInteger("version", version, 0, 1_000_000_000),
    options: options as unknown as ScheduleOptions<never>,
  };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless it is a list of declared schedules. */
export function requireDeclared(schedules: unknown): readonly DeclaredSchedule[] {
  if (!Array.isArray(schedules)) {
    throw new InvalidOptionsError(`schedules must be a list; got ${shown(schedules)}.`);
  }
  for (const [index, each] of schedules.entries()) {
    const { name, version, options } = (each ?? {}) as Partial<DeclaredSchedule>;
    if (typeof name === "string" && typeof version === "number" && options) continue;
    throw new InvalidOptionsError(
      `schedules[${index}] must be what defineSchedule(...) returns; got ${shown(each)}.`,
    );
  }
  return schedules;
}
