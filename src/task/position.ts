import { type ReadyPosition, SEQUENCE_LENGTH } from "./keyspace.ts";
import type { SpecRecord, StateRecord } from "./records.ts";

/** The place that a task was given when it was enqueued. */
export function sequenceOf(spec: SpecRecord): string {
  return spec.sequence ?? spec.id.slice(-SEQUENCE_LENGTH);
}

/** Where a waiting task stands: as its spec says, unless its state says otherwise. */
export function positionOf(spec: SpecRecord, state: StateRecord | undefined): ReadyPosition {
  return {
    queue: state?.queue ?? spec.queue,
    priority: state?.priority ?? spec.priority,
    sequence: state?.sequence ?? sequenceOf(spec),
    ...(spec.when === "idle" ? { idle: true } : undefined),
  };
}
