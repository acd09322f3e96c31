import type { Client, Job } from "../../contender.ts";
import { foundation, ID_LENGTH, type Mix, type PartTemplate, recordMix } from "./mix.ts";

/** A store that does what is asked, with nothing around it. */
export interface RawStore {
  /** Most parts of a commit, and commits at once, that suit it. */
  readonly partsMax: number;
  readonly flightsMax: number;
  /** Whether each part's guards held. */
  commit(parts: readonly RawPart[]): Promise<readonly boolean[]>;
  /** At most `limit` keys that begin with `prefix`, in order, after `after`. */
  keys(prefix: string, after: string, limit: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** A template and the id to fill it with. */
export interface RawPart {
  readonly template: PartTemplate;
  readonly id: string;
}

/** Waiting keys read at once. */
const PAGE = 500;

const IDLE_MS = 5;

/** Batches that are being ended at once. */
const ENDING_MAX = 16;

interface Waiting {
  readonly part: RawPart;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The operation mix of etask sent to a store with no queue around it: parts of concurrent callers
 * are grouped, that is all. No handler is looked up, nothing is watched, no spec is read, no lease
 * is kept, and an answer is only looked at for whether it says yes.
 */
export function createRawClient(store: RawStore): Client {
  const mixes = new Map<string, Promise<Mix>>();
  const mixOf = (job: Job) => {
    const known = mixes.get(job.payload) ?? recordMix(job);
    mixes.set(job.payload, known);
    return known;
  };
  const ids = createIds();
  const commit = createBatcher(store);
  const enqueue = async (job: Job, queue: string) => {
    const { enqueue: template } = await mixOf(job);
    return commit({ template, id: ids.next(queue) });
  };
  return {
    enqueue: (job, to) => enqueue(job, to.queue),
    enqueueMany: (jobs, to) => Promise.all(jobs.map((job) => enqueue(job, to.queue))),
    // There is no result; what is timed is the guarded put.
    call: (job, to) => enqueue(job, to.queue),
    work: async ({ queue, concurrency, run, finished }) => {
      const job: Job = { payload: "" };
      const mix = await recordMix(job);
      const there = foundation(mix);
      if (there.writes.length > 0) await store.commit([{ template: there, id: "" }]);
      const prefix = `${mix.readyPrefix}${ids.prefix(queue)}`;
      const handle = () => void run(job, () => {});
      const worker = new RawWorker({ store, commit, mix, prefix, handle, finished });
      const working = worker.run(concurrency);
      return () => worker.stop(working);
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** Ids of the length of etask's: six characters for the queue, then a number. */
function createIds() {
  let next = 0;
  const prefix = (queue: string) =>
    queue
      .replace(/[^0-9a-z]/gi, "")
      .slice(-6)
      .padStart(6, "0");
  return {
    prefix,
    next: (queue: string) => {
      next += 1;
      return `${prefix(queue)}${String(next).padStart(ID_LENGTH - 6, "0")}`;
    },
  };
}

/** Groups the parts of one turn of the event loop into commits, with a few of them under way. */
function createBatcher(store: RawStore): (part: RawPart) => Promise<void> {
  const waiting: Waiting[] = [];
  let flights = 0;
  let due = false;
  const fly = async (batch: readonly Waiting[]) => {
    flights += 1;
    try {
      const held = await store.commit(batch.map(({ part }) => part));
      for (const [index, { resolve, reject }] of batch.entries()) {
        if (held[index]) resolve();
        else reject(new Error("A guard of the raw mix did not hold."));
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    flights -= 1;
    schedule();
  };
  const schedule = () => {
    if (due || waiting.length === 0) return;
    due = true;
    setImmediate(() => {
      due = false;
      while (flights < store.flightsMax && waiting.length > 0) {
        void fly(waiting.splice(0, store.partsMax));
      }
    });
  };
  return (part) =>
    new Promise((resolve, reject) => {
      waiting.push({ part, resolve, reject });
      schedule();
    });
}

interface RawWork {
  readonly store: RawStore;
  readonly commit: (part: RawPart) => Promise<void>;
  readonly mix: Mix;
  /** What the keys of its queue's waiting tasks begin with. */
  readonly prefix: string;
  readonly handle: () => void;
  readonly finished: (count: number) => void;
}

/**
 * Takes what waits, in batches, and ends it. A place is free again when the handler has ended, as
 * in etask; what is being ended meanwhile has a bound of its own.
 */
class RawWorker {
  readonly #work: RawWork;
  readonly #ending = new Set<Promise<void>>();
  #stopped = false;
  #ahead: string[] = [];
  #after: string;
  #reading: Promise<void> | undefined;

  constructor(work: RawWork) {
    this.#work = work;
    this.#after = work.prefix;
  }

  /** Works until it is stopped. */
  async run(concurrency: number): Promise<void> {
    const lanes = Math.ceil(concurrency / this.#work.store.partsMax);
    const batch = Math.ceil(concurrency / lanes);
    const lane = async () => {
      while (!this.#stopped) {
        const ids = await this.#next(batch);
        if (ids.length === 0) await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
        else await this.#attempt(ids);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    await Promise.all(this.#ending);
  }

  async stop(working: Promise<void>): Promise<void> {
    this.#stopped = true;
    await working;
  }

  async #attempt(ids: readonly string[]): Promise<void> {
    const { commit, mix, handle } = this.#work;
    const [take, ...ends] = mix.attempt;
    if (take === undefined) return;
    await Promise.all(ids.map((id) => commit({ template: take, id })));
    for (const _ of ids) handle();
    while (this.#ending.size >= ENDING_MAX) await Promise.race(this.#ending);
    const ended: Promise<void> = this.#end(ids, ends).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  async #end(ids: readonly string[], ends: readonly PartTemplate[]): Promise<void> {
    for (const template of ends) {
      await Promise.all(ids.map((id) => this.#work.commit({ template, id })));
    }
    this.#work.finished(ids.length);
  }

  async #next(count: number): Promise<string[]> {
    if (this.#ahead.length < count) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
    return this.#ahead.splice(0, count);
  }

  async #read(): Promise<void> {
    const { store, prefix, mix } = this.#work;
    const keys = await store.keys(prefix, this.#after, PAGE);
    this.#after = keys.at(-1) ?? this.#after;
    const from = mix.readyPrefix.length;
    this.#ahead = [...this.#ahead, ...keys.map((key) => key.slice(from, from + ID_LENGTH))];
  }
}
