import type { Revision, WatchBatch, WatchEvent } from "../store.ts";

/** Events that one watch holds for its consumer before the server is asked to stop. */
export const BUFFER_EVENTS_MAX = 20_000;

/** The same in bytes of values. */
export const BUFFER_BYTES_MAX = 16_777_216;

const EVENT_BYTES = 256;

/** The part of a watch's message that concerns its position. */
export interface FeedMessage {
  readonly events: readonly WatchEvent[];
  /** The server has cut the message: the last revision may go on in the next one. */
  readonly fragment: boolean;
}

/**
 * One watch's events on their way from the server to the consumer: what was seen, what waits, and
 * where to go on. No I/O.
 *
 * 1. `position` is the last revision of which everything is in the buffer or was taken. It moves
 *    with the revision of an event, never with the revision that heads a message with events: while
 *    a watch catches up, the header tells where the store is, not how far the events go.
 * 2. Events at or below `position` are repetitions, which some versions send, and are dropped.
 * 3. Batches hold whole revisions. Only a message that is cut may end within a revision: then its
 *    last revision is held back until the rest has come.
 * 4. When the buffer is full, the watch is ended at the server, what is held back is dropped, and
 *    the watch begins again at `position` once the consumer has taken half of the buffer.
 */
export class WatchFeed {
  readonly #batches: WatchBatch[] = [];
  #held: WatchEvent[] = [];
  #events = 0;
  #bytes = 0;
  #position: Revision;

  constructor(after: Revision) {
    this.#position = after;
  }

  /** Everything up to here has been put into the buffer: where the watch goes on when it is cut. */
  get position(): Revision {
    return this.#position;
  }

  get full(): boolean {
    return this.#events >= BUFFER_EVENTS_MAX || this.#bytes >= BUFFER_BYTES_MAX;
  }

  /** Whether enough was taken to let the server send again. */
  get drained(): boolean {
    return this.#events <= BUFFER_EVENTS_MAX / 2 && this.#bytes <= BUFFER_BYTES_MAX / 2;
  }

  /** Takes a message with events. */
  accept({ events, fragment }: FeedMessage): void {
    for (const event of events) if (event.modRevision > this.#position) this.#held.push(event);
    const last = this.#held.at(-1);
    if (last === undefined) return;
    const cut = fragment
      ? this.#held.findIndex(({ modRevision }) => modRevision === last.modRevision)
      : this.#held.length;
    this.#release(this.#held.splice(0, cut));
  }

  /** Takes the server's word that nothing else happened up to `revision`. */
  progress(revision: Revision): void {
    if (revision <= this.#position || this.#held.length > 0) return;
    this.#position = revision;
    const last = this.#batches.at(-1);
    if (last !== undefined && last.events.length === 0) this.#batches.pop();
    this.#batches.push({ revision, events: [] });
  }

  /** Forgets what came of a revision that is not whole: the server sends all of it again. */
  interrupt(): void {
    this.#held = [];
  }

  /** The next batch, or `undefined` when none is there. */
  take(): WatchBatch | undefined {
    const batch = this.#batches.shift();
    for (const event of batch?.events ?? []) {
      this.#events -= 1;
      this.#bytes -= weigh(event);
    }
    return batch;
  }

  #release(events: readonly WatchEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    for (const event of events) {
      this.#events += 1;
      this.#bytes += weigh(event);
    }
    this.#position = last.modRevision;
    this.#batches.push({ revision: last.modRevision, events });
  }
}

function weigh(event: WatchEvent): number {
  return EVENT_BYTES + (event.type === "put" ? event.entry.value.byteLength : 0);
}
