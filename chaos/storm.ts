/**
 * The time in which things go wrong: two hands work at once, one on the processes and one on the
 * store and the ways to it. Each begins a fault, lets it last, puts it right, waits, and goes on
 * with the next; the kinds come in a new order again and again, so that none is left out.
 */

import { type Chance, chanceFor } from "../sim/engine/chance.ts";
import { systemClock } from "../src/base/clock.ts";
import type { Fault, FaultWorld } from "./places/place.ts";

/** A fault that happened. */
export interface Happened {
  /** Milliseconds since the storm began. */
  readonly at: number;
  readonly kind: string;
  readonly what: string;
  readonly ms: number;
}

/** How long a fault lasts: mostly shorter, sometimes longer than leases and deadlines. */
const SHORT_MS = [100, 2_000] as const;
const LONG_MS = [2_000, 7_000] as const;
const LONG_SHARE = 0.35;
const PAUSE_MS = [100, 1_200] as const;
const HANDS_MAX = 4;

/** See the essay above. */
export class Storm {
  readonly happened: Happened[] = [];
  readonly #world: Omit<FaultWorld, "chance">;
  readonly #seed: number;
  readonly #say: (line: string) => void;
  #begunAt = 0;

  constructor(
    world: Omit<FaultWorld, "chance">,
    { seed, say }: { readonly seed: number; readonly say: (line: string) => void },
  ) {
    this.#world = world;
    this.#seed = seed;
    this.#say = say;
  }

  /** Rages for so long; when it resolves everything is put right again. */
  async rage(hands: readonly (readonly Fault[])[], ms: number): Promise<void> {
    this.#begunAt = systemClock.monotonic();
    const until = this.#begunAt + ms;
    const busy = hands
      .slice(0, HANDS_MAX)
      .filter((faults) => faults.length > 0)
      .map((faults, index) => this.#hand(faults, until, chanceFor(this.#seed, `hand ${index}`)));
    await Promise.all(busy);
  }

  async #hand(faults: readonly Fault[], until: number, chance: Chance): Promise<void> {
    let left: Fault[] = [];
    const untilThen = (ms: number) => Math.max(0, Math.min(ms, until - systemClock.monotonic()));
    for (;;) {
      await systemClock.sleep(untilThen(chance.between(...PAUSE_MS)));
      if (systemClock.monotonic() >= until) return;
      if (left.length === 0) left = shuffled(faults, chance);
      const fault = left.pop();
      if (!fault) return;
      const [least, most] = chance.happens(LONG_SHARE) ? LONG_MS : SHORT_MS;
      const ms = untilThen(chance.between(least, most));
      const at = systemClock.monotonic() - this.#begunAt;
      const trouble = await fault.begin({ ...this.#world, chance });
      this.happened.push({ at, kind: fault.kind, what: trouble.what, ms });
      const time = `${(at / 1_000).toFixed(1).padStart(6)} s`;
      this.#say(`${time}  ${fault.kind}: ${trouble.what} (${Math.round(ms)} ms)`);
      await systemClock.sleep(ms);
      await trouble.heal();
    }
  }
}

function shuffled<T>(list: readonly T[], chance: Chance): T[] {
  const keyed = list.map((item) => ({ item, key: chance.next() }));
  return keyed.sort((one, other) => one.key - other.key).map(({ item }) => item);
}
