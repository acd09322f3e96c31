import type { SpecRecord, StateRecord } from "./records.ts";

/** A task's state, also when no record of it exists yet: then it waits as its spec says. */
export function currentState(spec: SpecRecord, state: StateRecord | undefined): StateRecord {
  if (state) return state;
  const { createdAt: at, dueAt } = spec;
  if (dueAt === undefined) return { state: "pending", attempt: 0, at };
  return { state: "scheduled", attempt: 0, at, dueAt };
}
