import type { Part } from "../../src/store/part.ts";
import { type KeyRange, keyRange } from "../../src/store/range.ts";
import type {
  Entry,
  Lease,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Revision,
  Store,
  WatchBatch,
  WatchOptions,
} from "../../src/store/store.ts";
import {
  StoreClosedError,
  StoreFullError,
  StoreUnavailableError,
} from "../../src/store/store-errors.ts";
import type { StoreUpkeep } from "../../src/store/upkeep.ts";
import { CALL_MS_MAX, LATE_MS_MAX, type Network, type Process } from "./network.ts";
import { SimWatch } from "./sim-watch.ts";

/** A stale read is at most so many revisions behind. */
const STALE_REVISIONS_MAX = 40;
const QUOTA_BYTES = 2_147_483_648;

interface Request<Answer> {
  readonly what: string;
  /** Whether it changes something. */
  readonly writes: boolean;
  /** Does it, on time or `late`. */
  readonly act: (late: boolean) => Answer;
}

/** One process's connection to the store, with everything that goes wrong on the way. */
export class SimStore implements Store {
  readonly url: undefined;
  readonly upkeep: StoreUpkeep;
  readonly #network: Network;
  readonly #process: Process;
  #closed = false;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(network: Network, process: Process) {
    this.#network = network;
    this.#process = process;
    const { storage } = network;
    this.upkeep = {
      compact: (revision) =>
        this.#ask({
          what: `compact ${revision}`,
          writes: false,
          act: () => storage.compact(Math.min(revision, storage.revision)),
        }),
      usage: () =>
        this.#ask({
          what: "usage",
          writes: false,
          act: () => {
            const usedBytes = Math.floor(network.usedShare * QUOTA_BYTES);
            return { usedBytes, fileBytes: usedBytes, quotaBytes: QUOTA_BYTES };
          },
        }),
    };
  }

  get(key: string): Promise<Entry | undefined> {
    const { storage } = this.#network;
    const act = () => {
      const at = this.#staleRevision();
      return at === undefined
        ? storage.get(key)
        : storage.range(keyRange(key), { revision: at }).entries[0];
    };
    return this.#ask({ what: `get ${key}`, writes: false, act });
  }

  range(range: KeyRange, options: RangeOptions = {}): Promise<RangePage> {
    const { storage } = this.#network;
    const act = () => {
      const at = options.revision === undefined ? this.#staleRevision() : undefined;
      return storage.range(range, at === undefined ? options : { ...options, revision: at });
    };
    return this.#ask({ what: `range ${range.start}`, writes: false, act });
  }

  commit(parts: readonly Part[]): Promise<PartResult[]> {
    const act = (late: boolean) => {
      const results = this.#network.commit(this.#process, parts, late);
      this.#note(parts, results);
      return results;
    };
    return this.#ask({ what: `commit ${parts.length}`, writes: true, act });
  }

  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    return {
      [Symbol.asyncIterator]: () => {
        if (this.#closed) throw new StoreClosedError();
        return new SimWatch(this.#network, this.#process, range, options);
      },
    };
  }

  grant(ttlMs: number): Promise<Lease> {
    const act = () => {
      const lease = this.#network.storage.grant(ttlMs);
      this.#network.leases.push(lease.id);
      return lease;
    };
    return this.#ask({ what: "grant", writes: false, act });
  }

  keepAlive(lease: LeaseId): Promise<void> {
    const act = () => this.#network.storage.keepAlive(lease);
    return this.#ask({ what: `keep alive ${lease}`, writes: false, act });
  }

  revoke(lease: LeaseId): Promise<void> {
    const act = () => this.#network.storage.revoke(lease);
    return this.#ask({ what: `revoke ${lease}`, writes: false, act });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of [...this.#process.watches]) watch.end();
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ask<Answer>({ what, writes, act }: Request<Answer>): Promise<Answer> {
    if (this.#closed) return Promise.reject(new StoreClosedError());
    const { scheduler } = this.#network;
    const life = this.#process;
    return new Promise((resolve, reject) => {
      this.#underWay += 1;
      const settle = (answer: () => void) => {
        giveUp();
        this.#underWay -= 1;
        if (this.#underWay === 0) this.#idle?.();
        answer();
      };
      const lost = () =>
        settle(() => reject(new StoreUnavailableError("No answer.", writes ? "unknown" : "no")));
      const giveUp = scheduler.after(CALL_MS_MAX, lost, { life, what: `gave up: ${what}` });
      this.#send({ what, writes, act }, (answered) => {
        const reply = () => settle(() => answerWith(answered(), resolve, reject));
        scheduler.after(this.#network.delayMs(), reply, { life, what: `answer: ${what}` });
      });
    });
  }

  /** Brings a request to the store; `replied` gets what gives the answer, unless that is lost. */
  #send<Answer>(
    { what, writes, act }: Request<Answer>,
    replied: (answer: () => Answered<Answer>) => void,
  ): void {
    const network = this.#network;
    const { scheduler } = network;
    const { name } = this.#process;
    if (network.strikes("refuse")) {
      const error = new StoreUnavailableError("Nobody listens.", "no");
      replied(() => ({ error }));
      return;
    }
    if (network.strikes("dropRequest") || this.#process.mutedUntil > scheduler.now) return;
    const late = network.strikes("late");
    const delayMs = late ? CALL_MS_MAX + network.chance.between(0, LATE_MS_MAX) : network.delayMs();
    const full = writes && network.strikes("full");
    const arrive = () => {
      const answer = full && network.chance.happens(0.5) ? FULL : attempt(() => act(late));
      const lost = network.strikes("dropReply") || this.#process.deafUntil > scheduler.now;
      if (!lost) replied(() => (full ? FULL : answer));
    };
    scheduler.after(delayMs, arrive, { what: `${name} > ${what}`, wakes: false });
  }

  /** Where a read looks that does not see what it should; `undefined` when it does. */
  #staleRevision(): Revision | undefined {
    const { storage } = this.#network;
    const oldest = Math.max(1, storage.compactRevision, storage.revision - STALE_REVISIONS_MAX);
    if (oldest >= storage.revision || !this.#network.strikes("stale")) return undefined;
    return oldest + this.#network.chance.below(storage.revision - oldest);
  }

  #note(parts: readonly Part[], results: readonly PartResult[]): void {
    const lines = parts.map(({ writes }, index) => {
      const held = results[index]?.applied === true;
      const keys = writes.map(({ op, key }) => (op === "put" ? key : `-${key}`));
      return `${held ? "+" : "refused"} ${keys.join(" ")}`;
    });
    const revision = Math.max(...results.map((result) => result.revision));
    this.#network.scheduler.note(`${this.#process.name} @${revision} ${lines.join("; ")}`);
  }
}

type Answered<Answer> = { readonly value: Answer } | { readonly error: unknown };

/** What etcd says when its alarm is raised, whether it has applied the request or not. */
const FULL = { error: new StoreFullError("The store is out of space.", "unknown") };

function attempt<Answer>(act: () => Answer): Answered<Answer> {
  try {
    return { value: act() };
  } catch (error) {
    return { error };
  }
}

function answerWith<Answer>(
  answered: Answered<Answer>,
  resolve: (value: Answer) => void,
  reject: (error: unknown) => void,
): void {
  if ("error" in answered) reject(answered.error);
  else resolve(answered.value);
}
