import type { Chance } from "../../sim/engine/chance.ts";
import type { WorkerOptions } from "../../src/worker/worker-options.ts";
import { QUEUES } from "./producer.ts";
import type { Role } from "./program.ts";

/** How many processes of which kind there are. */
export type CastSize = "small" | "large";

/** One process. */
export interface Part {
  readonly name: string;
  readonly role: Role;
}

/** Who takes part in a run. */
export function castOf(size: CastSize, chance: Chance): Part[] {
  const [workers, producers] = size === "small" ? [2, 1] : [3, 2];
  const worker = (index: number): Role => {
    const options: WorkerOptions = {
      concurrency: 3 + chance.below(8),
      queues: QUEUES,
      leaseTtl: chance.pick(["2s", "3s"]),
      drain: chance.pick(["500ms", "3s"]),
    };
    return { kind: "worker", options, beat: index === 0 };
  };
  return [
    ...numbered("worker", workers, worker),
    ...numbered("producer", producers, () => ({ kind: "producer" })),
    { name: "beat0", role: { kind: "beat" } },
    { name: "store-client0", role: { kind: "store-client" } },
  ];
}

function numbered(what: string, count: number, roleOf: (index: number) => Role): Part[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${what}${index}`,
    role: roleOf(index),
  }));
}
