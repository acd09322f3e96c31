/**
 * Chooses how many tasks a worker runs at once, between two bounds.
 *
 * After each sample of the host (see `room-watch.ts`) it compares what is wanted with what is
 * used, and resizes the slots: see `nextCapacity`. Growing lets the next take be larger at once.
 * Shrinking stops no handler: nothing is taken until fewer run than there are slots.
 *
 * It begins at the lower bound, and a new life of the worker after a lost lease goes on with the
 * slots that there are. When the samples come late because the event loop is blocked, so do
 * changes.
 */
import type { Clock } from "../../base/clock.ts";
import { publish } from "../../base/events.ts";
import type { HostSample } from "../host/host-meter.ts";
import type { Slots } from "../slots.ts";
import { type Capacity, hostAllows, nextCapacity, type ScaleBounds } from "./next-capacity.ts";

/** See the essay above. */
export class Autoscaler {
  readonly #slots: Slots;
  readonly #bounds: ScaleBounds;
  readonly #clock: Clock;
  #capacity: Capacity;

  constructor(slots: Slots, bounds: ScaleBounds, clock: Clock) {
    this.#slots = slots;
    this.#bounds = bounds;
    this.#clock = clock;
    this.#capacity = { slots: slots.capacity, peak: 0, peakSince: clock.monotonic() };
  }

  /** Looks once more; `wanted`: tasks wait that could run if there were more slots. */
  step(sample: HostSample, wanted: boolean, worker: string): void {
    const from = this.#capacity.slots;
    const host = hostAllows(sample);
    const load = { now: this.#clock.monotonic(), used: this.#slots.takePeak(), wanted, host };
    this.#capacity = nextCapacity(this.#capacity, load, this.#bounds);
    const to = this.#capacity.slots;
    if (to === from) return;
    const why = to > from ? "tasks wait" : host === "fewer" ? "the host is full" : "not used";
    publish("etask:worker:resized", { worker, from, to, why });
    this.#slots.resize(to);
  }
}
