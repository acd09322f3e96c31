/**
 * What a worker takes next: the entries of the windows of its shards, merged into one order.
 *
 * Priority goes first, then age, and idle tasks come after all others. Nothing is picked that
 * something in a part of a shard not yet read might go before. A queue that is paused, or of which
 * this worker runs as much as it may, is passed over as if it were not there.
 *
 * Idle tasks leave a place free, of the worker's slots and of a queue's own limit, so that the next
 * task that is not idle need not wait. Where there is one slot alone, only tasks that give it back
 * are picked (`preempt`); where a queue's limit is one, any.
 */
import type { ReadyWindow } from "../broker/ready-window.ts";
import { isPreemptible, isTooLate, type ReadyEntry } from "../broker/take.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { QueueUsage } from "./queue-usage.ts";
import type { ShardFollower } from "./shard-follower.ts";
import type { Slots } from "./slots.ts";

/** An entry that was picked, and how to undo that. */
export interface Picked {
  readonly entry: ReadyEntry;
  putBack(): void;
}

/** What a picker looks at. */
export interface PickerWorld {
  readonly slots: Slots;
  readonly usage: QueueUsage;
  readonly settings: QueueSettings;
  /** The followers of the shards that this worker prefers now. */
  followers(): Iterable<ShardFollower>;
  /** Whether the host has room for idle tasks. */
  hasRoom(): boolean;
}

/** Tasks that are not idle and wait for a place: in one queue, or for a slot. */
export interface Pressure {
  readonly count: number;
  readonly queue?: string;
}

/** See the essay above. */
export class Picker {
  readonly #with: PickerWorld;
  /** The queues of the takes under way, as often as takes name them. */
  readonly #taking: QueueUsage;

  constructor(world: PickerWorld, taking: QueueUsage) {
    this.#with = world;
    this.#taking = taking;
  }

  /** How many more tasks of the queue may be taken now. */
  room(queue: string): number {
    const { record } = this.#with.settings.of(queue);
    if (record.paused) return 0;
    if (record.order === "strict" && this.#taking.used(queue) > 0) return 0;
    return (record.concurrency ?? Number.POSITIVE_INFINITY) - this.#with.usage.used(queue);
  }

  /** The first entries of all windows in taking order, taken out of them. */
  pick(count: number, now: number, withIdle: boolean): Picked[] {
    const rooms = new Map<string, number>();
    const room = (queue: string) => rooms.get(queue) ?? this.room(queue);
    const followers = [...this.#with.followers()];
    const open = () =>
      followers.filter(({ queue }) => room(queue) > 0).map((follower) => follower.window);
    let windows = open();
    const picked = new Map<string, Picked>();
    while (picked.size < count) {
      const window = firstInOrder(windows);
      const head = window?.head;
      if (!window || !head) break;
      const { queue, idle } = head.position;
      if (idle && !isTooLate(head, now)) {
        if (!withIdle || !this.idleFits(head, picked.size)) break;
        if (!this.#leavesPlace(queue, room(queue))) {
          rooms.set(queue, 0);
          windows = open();
          continue;
        }
      }
      window.takeHead();
      if (isTooLate(head, now)) continue;
      const putBack = () => window.putBack(head);
      // A task that was moved may be seen at both places for a moment; one commit takes it once.
      if (picked.has(head.record.id)) {
        putBack();
        break;
      }
      picked.set(head.record.id, { entry: head, putBack });
      rooms.set(queue, room(queue) - 1);
      if (room(queue) <= 0) windows = open();
    }
    return [...picked.values()];
  }

  /** Whether an idle task may be taken now, after `picked` others. */
  idleFits({ record }: ReadyEntry, picked: number): boolean {
    if (!this.#with.hasRoom()) return false;
    const { free, capacity } = this.#with.slots;
    return free - picked > (capacity === 1 && isPreemptible(record) ? 0 : 1);
  }

  /** How many idle tasks of the queue may be taken now, as far as its own limit goes. */
  idleRoom(queue: string): number {
    const room = this.room(queue);
    return this.#leavesPlace(queue, room) ? room : 0;
  }

  #leavesPlace(queue: string, room: number): boolean {
    return room > (this.#with.settings.of(queue).record.concurrency === 1 ? 0 : 1);
  }

  /** Where tasks that are not idle wait because all places are taken. */
  pressures(): Pressure[] {
    const waiting = new Map<string, number>();
    for (const { queue, window } of this.#with.followers()) {
      waiting.set(queue, (waiting.get(queue) ?? 0) + window.ordinary);
    }
    const found: Pressure[] = [];
    let unlimited = 0;
    for (const [queue, count] of waiting) {
      const { paused, concurrency = Number.POSITIVE_INFINITY } =
        this.#with.settings.of(queue).record;
      if (paused || count === 0) continue;
      const left = concurrency - this.#with.usage.used(queue);
      if (left <= 0) found.push({ queue, count });
      else unlimited += Math.min(count, left);
    }
    if (unlimited > 0 && this.#with.slots.free === 0) found.push({ count: unlimited });
    return found;
  }

  /** Whether more slots would let more tasks run. */
  get wantsSlots(): boolean {
    if (this.pressures().some(({ queue }) => queue === undefined)) return true;
    if (!this.#with.hasRoom() || this.#with.slots.free > 1) return false;
    const followers = [...this.#with.followers()];
    return followers.some(
      ({ queue, window }) => window.size > window.ordinary && this.idleRoom(queue) > 0,
    );
  }
}

/** The window with the first entry in taking order, if that is known to be the first one. */
function firstInOrder(windows: readonly ReadyWindow[]): ReadyWindow | undefined {
  let best: ReadyWindow | undefined;
  let bestOrder: string | undefined;
  let knownBefore: string | undefined;
  for (const window of windows) {
    const order = window.headOrder;
    if (order !== undefined && (bestOrder === undefined || order < bestOrder)) {
      best = window;
      bestOrder = order;
    }
    const known = window.knownBefore;
    if (known !== undefined && (knownBefore === undefined || known < knownBefore)) {
      knownBefore = known;
    }
  }
  if (bestOrder === undefined) return undefined;
  return knownBefore === undefined || bestOrder < knownBefore ? best : undefined;
}
