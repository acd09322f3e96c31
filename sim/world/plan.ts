/**
 * What a seed stands for, as data: who there is, what is asked of them and when, what goes wrong
 * and when. Everything in a plan can be taken out of it, which is how a failure is made small.
 */
import type { WorkerOptions } from "../../src/worker/worker-options.ts";
import { type Chance, chanceFor } from "../engine/chance.ts";
import { FAULTS, type FaultRates, NO_FAULTS } from "../network/faults.ts";
import type { Role } from "./actor.ts";
import { type Act, planAct, type Uses } from "./acts.ts";

/** One process. */
export interface Cast {
  readonly name: string;
  readonly role: Role;
}

/** Something asked of a process. */
export interface Step {
  readonly at: number;
  readonly actor: string;
  readonly act: Act;
}

/** Something that goes wrong at a time. */
export interface Incident {
  readonly at: number;
  readonly kind: IncidentKind;
  /** Whom it hits, where it hits one process. */
  readonly actor: string;
  readonly ms: number;
}

/** What can go wrong at a time. */
export type IncidentKind =
  | "kill"
  | "pause"
  | "restart"
  | "mute"
  | "deafen"
  | "cut off"
  | "outage"
  | "skew"
  | "compact"
  | "end a lease"
  | "fill";

/** See the essay above. */
export interface Plan {
  readonly seed: number;
  readonly cast: readonly Cast[];
  readonly rates: FaultRates;
  readonly steps: readonly Step[];
  readonly incidents: readonly Incident[];
  /** Until then things go wrong. */
  readonly busyMs: number;
  /** Whether it goes on until retention is over, to see that nothing is left. */
  readonly clean: boolean;
}

const INCIDENTS: readonly IncidentKind[] = [
  "kill",
  "pause",
  "restart",
  "mute",
  "deafen",
  "cut off",
  "outage",
  "skew",
  "compact",
  "end a lease",
  "fill",
];

/** The queues of every world. */
export const QUEUES: readonly string[] = ["a", "b"];

const PAUSE_MS_MAX = 16_000;
const SKEW_MS_MAX = 20_000;

/** Makes the plan of a seed. */
export function planOf(seed: number): Plan {
  const chance = chanceFor(seed, "plan");
  const busyMs = chance.between(10_000, 25_000);
  const queues = chance.happens(0.5) ? QUEUES : QUEUES.slice(0, 1);
  const cast = planCast(chance, queues);
  const calm = chance.happens(0.07);
  return {
    seed,
    cast,
    rates: calm ? NO_FAULTS : planRates(chance),
    steps: planSteps(chance, { cast, queues, busyMs }),
    incidents: calm ? [] : planIncidents(chance, cast, busyMs),
    busyMs,
    clean: chance.happens(0.3),
  };
}

/** Whether nothing goes wrong in it, and nobody takes tasks by their ids. */
export function isOrdered({ rates, incidents, steps }: Plan): boolean {
  const calm = incidents.length === 0 && FAULTS.every((fault) => rates[fault] === 0);
  return calm && steps.every(({ act }) => act.kind !== "take");
}

function planCast(chance: Chance, queues: readonly string[]): Cast[] {
  const workers = 1 + chance.below(4);
  const beats = chance.below(3);
  const producers = 1 + chance.below(2);
  const beatInWorkers = beats === 0 || chance.happens(0.5);
  return [
    ...numbered("producer", producers, (): Role => ({ kind: "producer" })),
    ...numbered("worker", workers, (): Role => {
      const options: WorkerOptions = {
        concurrency: 1 + chance.below(6),
        queues,
        leaseTtl: chance.pick(["2s", "3s", "5s", "30s"]),
        drain: chance.pick(["500ms", "3s"]),
      };
      return { kind: "worker", options, beat: beatInWorkers };
    }),
    ...numbered("beat", beats, (): Role => ({ kind: "beat" })),
  ];
}

function numbered(what: string, count: number, role: () => Role): Cast[] {
  return Array.from({ length: count }, (_, index) => ({ name: `${what}${index}`, role: role() }));
}

function planRates(chance: Chance): FaultRates {
  const rates = FAULTS.map((fault) => [
    fault,
    chance.happens(0.45) ? chance.between(0.005, chance.happens(0.2) ? 0.3 : 0.08) : 0,
  ]);
  return Object.fromEntries(rates) as unknown as FaultRates;
}

function planSteps(
  chance: Chance,
  { cast, queues, busyMs }: Pick<Plan, "cast" | "busyMs"> & { readonly queues: readonly string[] },
): Step[] {
  const count = 50 + chance.below(70);
  const uses: Uses = { queues, orders: 0, ids: [], schedules: [] };
  const bursty = chance.happens(0.5);
  const times = Array.from({ length: count }, () => {
    const at = chance.between(0, busyMs * 0.9);
    return bursty ? Math.floor(at / 4_000) * 4_000 : at;
  });
  return times
    .sort((one, other) => one - other)
    .map((at) => ({ at, actor: chance.pick(cast).name, act: planAct(chance, uses) }));
}

function planIncidents(chance: Chance, cast: readonly Cast[], busyMs: number): Incident[] {
  const kinds = INCIDENTS.filter(() => chance.happens(0.4));
  const count = kinds.length === 0 ? 0 : chance.below(14);
  const incidents = Array.from({ length: count }, () => {
    const kind = chance.pick(kinds);
    const ms =
      kind === "skew"
        ? chance.between(-SKEW_MS_MAX, SKEW_MS_MAX)
        : chance.between(100, chance.happens(0.3) ? PAUSE_MS_MAX : PAUSE_MS_MAX / 4);
    return { at: chance.between(500, busyMs), kind, actor: chance.pick(cast).name, ms };
  });
  return incidents.sort((one, other) => one.at - other.at);
}
