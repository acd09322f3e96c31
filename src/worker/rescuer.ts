/**
 * Puts the tasks of vanished workers back (see `broker/rescue-worker.ts`).
 *
 * When a worker's key under `worker/` goes, the worker that rendezvous hashing prefers rescues at
 * once, the others a second later if anything is left. Every rescue is guarded by "the worker is
 * gone" and by the task's fence, so any number of rescuers, also with a late finish of the vanished
 * worker, do no harm: one write of them wins.
 *
 * Every {@link AUDIT_MS} what is under `hand/` and `signal/` is compared with the live workers:
 * that finds what was left when nobody was there to see a worker vanish, or when a rescuer died
 * half-way. The leading Beat does the same, for the time when there is no worker at all.
 *
 * If the process dies half-way, what is left under `hand/` is found by the next one.
 */
import type { LoopWorld } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { rescueWorker, workersWithTraces } from "../broker/rescue-worker.ts";
import type { Store } from "../store/store.ts";
import type { Roster } from "./roster.ts";

const AUDIT_MS = 10_000;
const SECOND_MS = 1_000;

/** See the essay above. */
export class Rescuer {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #self: string;
  readonly #roster: Roster;
  readonly #wakeup = new Wakeup();
  /** Vanished workers, and when to rescue them. */
  readonly #vanished = new Map<string, number>();

  constructor(store: Store, world: LoopWorld, self: string, roster: Roster) {
    this.#store = store;
    this.#world = world;
    this.#self = self;
    this.#roster = roster;
  }

  /** Takes note of a worker that is gone. */
  vanished(worker: string): void {
    const wait = this.#roster.prefersRescue(worker)
      ? 0
      : SECOND_MS * (1 + this.#world.random.next());
    this.#vanished.set(worker, this.#world.clock.monotonic() + wait);
    this.#wakeup.ring();
  }

  /** Rescues until `signal` aborts; throws what the store throws. */
  async run(signal: AbortSignal): Promise<void> {
    let auditAt = 0;
    while (!signal.aborted) {
      const now = this.#world.clock.monotonic();
      if (now >= auditAt) {
        await this.#audit();
        auditAt = now + AUDIT_MS * (1 + this.#world.random.next());
      }
      for (const [worker, at] of this.#vanished) {
        if (at > now) continue;
        // The roster may not know it yet, or cannot read its record; then nothing happens.
        await rescueWorker(this.#store, this.#world, { worker, by: this.#self }, signal);
        this.#vanished.delete(worker);
      }
      const next = Math.min(auditAt, ...this.#vanished.values());
      const cancel = this.#world.clock.after(Math.max(0, next - now), () => this.#wakeup.ring());
      await this.#wakeup.wait(signal);
      cancel();
    }
  }

  /** Finds workers that have left something and have no key. */
  async #audit(): Promise<void> {
    for await (const worker of workersWithTraces(this.#store)) {
      if (!this.#roster.has(worker) && !this.#vanished.has(worker)) this.vanished(worker);
    }
  }
}
