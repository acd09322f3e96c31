/**
 * Puts the tasks of vanished workers back.
 *
 * When a worker's key under `worker/` goes, all it had taken is listed under `hand/{worker}/`, and
 * that list can grow no more, because every take was guarded by the key. The worker that rendezvous
 * hashing prefers rescues at once, the others a second later if anything is left. Every rescue is
 * guarded by "the worker is gone" and by the task's fence, so any number of rescuers, also with a
 * late finish of the vanished worker, do no harm: one write of them wins.
 *
 * Every {@link AUDIT_MS} the list of all hands is compared with the live workers: that finds what
 * was left when nobody was there to see a worker vanish, or when a rescuer died half-way.
 *
 * If the process dies half-way, what is left under `hand/` is found by the next one.
 */
import { publish } from "../base/events.ts";
import type { LoopWorld } from "../base/loop.ts";
import { Wakeup } from "../base/wakeup.ts";
import { forgetHandPart, orphanPart, rescuePart } from "../broker/rescue.ts";
import type { Part } from "../store/part.ts";
import { prefixEnd } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { decodeHand, decodeState } from "../task/decode.ts";
import { DEFAULT_RETENTION } from "../task/enqueue-options.ts";
import { handRange, taskKey, workerKey, workerOfHandKey } from "../task/keyspace.ts";
import type { HandRecord, StateRecord } from "../task/records.ts";
import { readOr, readTask } from "../task/task-reader.ts";
import type { Roster } from "./roster.ts";

const AUDIT_MS = 10_000;
const SECOND_MS = 1_000;
const HANDS_AT_ONCE = 20;
const READS_AT_ONCE = 16;
const PARTS_AT_ONCE = 40;

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
        await this.#rescue(worker, signal);
        this.#vanished.delete(worker);
      }
      const next = Math.min(auditAt, ...this.#vanished.values());
      const cancel = this.#world.clock.after(Math.max(0, next - now), () => this.#wakeup.ring());
      await this.#wakeup.wait(signal);
      cancel();
    }
  }

  /** Finds workers that have hands but no key: one short range for each worker that has hands. */
  async #audit(): Promise<void> {
    const { end } = handRange();
    let { start } = handRange();
    for (;;) {
      const page = await this.#store.range({ start, end }, { limit: 1 });
      const [first] = page.entries;
      if (!first) return;
      const worker = workerOfHandKey(first.key);
      if (worker === undefined) start = `${first.key}\0`;
      else {
        start = prefixEnd(`hand/${worker}/`);
        if (!this.#roster.has(worker) && !this.#vanished.has(worker)) this.vanished(worker);
      }
    }
  }

  async #rescue(worker: string, signal: AbortSignal): Promise<void> {
    // The roster may not know it yet, or cannot read its record; nothing of it could be rescued.
    if (await this.#store.get(workerKey(worker))) return;
    const { start, end } = handRange(worker);
    for (let from = start; !signal.aborted; ) {
      const page = await this.#store.range({ start: from, end }, { limit: HANDS_AT_ONCE });
      const hands = page.entries.flatMap((entry) => {
        const record = readOr(entry, decodeHand);
        return record ? [{ key: entry.key, record }] : [];
      });
      const parts = await this.#parts(
        hands.map(({ record }) => record),
        worker,
      );
      for (let index = 0; index < parts.length; index += PARTS_AT_ONCE) {
        await this.#commit(parts.slice(index, index + PARTS_AT_ONCE), worker);
      }
      // What cannot be read is left for people to look at.
      if (hands.length > 0) {
        await this.#store.commit(hands.map(({ key }) => forgetHandPart(key, worker)));
      }
      const last = page.entries.at(-1);
      if (!page.more || !last) return;
      from = `${last.key}\0`;
    }
  }

  /** One part for each task that still runs under the vanished worker. */
  async #parts(hands: readonly HandRecord[], worker: string): Promise<Rescue[]> {
    const rescues: Rescue[] = [];
    // A task that this worker took again, after a failure, is listed by two of its batches.
    const ids = new Set(hands.flatMap(({ queues }) => Object.values(queues).flat())).values();
    const lane = async () => {
      for (let next = ids.next(); !next.done; next = ids.next()) {
        const rescue = await this.#rescueOf(next.value, worker);
        if (rescue) rescues.push(rescue);
      }
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
    return rescues;
  }

  async #rescueOf(id: string, worker: string): Promise<Rescue | undefined> {
    const runsThere = (state: StateRecord | undefined) =>
      state?.state === "running" && state.worker === worker;
    const task = await readTask(this.#store, id);
    if (!task) return this.#orphanOf(id, runsThere);
    const { state, stateRevision: modRevision, spec } = task;
    if (!state || !runsThere(state)) return undefined;
    const failedMs = spec.retention?.failedMs ?? DEFAULT_RETENTION.failedMs;
    const facts = { at: this.#world.clock.now(), by: this.#self, failedMs };
    return { id, ...rescuePart({ key: taskKey(id, "state"), modRevision }, state, task, facts) };
  }

  /** A task whose spec cannot be read may have a state all the same. */
  async #orphanOf(
    id: string,
    runsThere: (state: StateRecord) => boolean,
  ): Promise<Rescue | undefined> {
    const entry = await this.#store.get(taskKey(id, "state"));
    const state = entry && readOr(entry, decodeState);
    if (!entry || !state || !runsThere(state)) return undefined;
    const { failedMs } = DEFAULT_RETENTION;
    const facts = { at: this.#world.clock.now(), by: this.#self, failedMs };
    return { id, part: orphanPart(entry, id, state, facts), state: "failed" };
  }

  async #commit(rescues: readonly Rescue[], from: string): Promise<void> {
    const results = await this.#store.commit(rescues.map(({ part }) => part));
    for (const [index, { applied }] of results.entries()) {
      const rescue = rescues[index];
      if (!applied || !rescue) continue;
      const { id, state } = rescue;
      publish("etask:task:rescued", { id, from, by: this.#self, state });
    }
  }
}

interface Rescue {
  readonly id: string;
  readonly part: Part;
  readonly state: "pending" | "failed" | "cancelled";
}
