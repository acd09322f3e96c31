import { isEtaskError } from "../../src/base/errors.ts";
import { checkBatch } from "../../src/store/conformance/support.ts";
import { del, type Guard, type Part, put } from "../../src/store/part.ts";
import type { KeyRange } from "../../src/store/range.ts";
import type {
  Entry,
  LeaseId,
  RangeOptions,
  Revision,
  Store,
  WatchEvent,
} from "../../src/store/store.ts";
import { type Command, KEYS, type PartCommand } from "./commands.ts";

/** How a store under test is reached beyond its interface. */
export interface SubjectWorld {
  readonly name: string;
  readonly store: Store;
  /** The life of a lease that is there to expire: short on a virtual clock, else far away. */
  readonly shortTtlMs: number;
  compact(revision: Revision): Promise<void>;
  /** Makes a lease of `shortTtlMs` expire, and no longer one. */
  expire(lease: LeaseId): Promise<void>;
}

/** Outlives any sequence. */
const LONG_TTL_MS = 3_600_000;

/**
 * A {@link Command} whose moments are numbers: changes since the sequence began. In a guard, 0 is
 * the revision 0, which no key ever has.
 */
export type Step =
  | Exclude<Command, { do: "commit" | "range" | "watch" | "compact" }>
  | { readonly do: "commit"; readonly parts: readonly PartStep[] }
  | (Omit<Extract<Command, { do: "range" }>, "at"> & { readonly at: number | undefined })
  | { readonly do: "watch"; readonly range: KeyRange; readonly after: number }
  | { readonly do: "compact"; readonly at: number };

export type PartStep = Omit<PartCommand, "guards"> & {
  readonly guards: readonly (PartCommand["guards"][number] & { readonly at: number })[];
};

/**
 * One store in the course of one sequence. Its answers are plain data in which revisions count from
 * the sequence's beginning and leases are numbers, so those of two stores can be compared.
 */
export class Subject {
  readonly world: SubjectWorld;
  readonly #base: Revision;
  readonly #leases: LeaseId[] = [];
  readonly #watches: Promise<unknown>[] = [];
  #lastRevision: Revision = Number.MAX_SAFE_INTEGER;

  private constructor(world: SubjectWorld, base: Revision) {
    this.world = world;
    this.#base = base;
  }

  /** Begins a sequence: all keys are absent. */
  static async begin(world: SubjectWorld): Promise<Subject> {
    const parts = [{ guards: [], writes: KEYS.map(del) }];
    const [result] = await world.store.commit(parts);
    return new Subject(world, result?.revision ?? 0);
  }

  /** Does a step and gives the answer, which may be an error. */
  async answer(step: Step): Promise<unknown> {
    try {
      return await this.#do(step);
    } catch (error) {
      return this.#shownError(error);
    }
  }

  /** Writes every key, so that each watch knows where to stop, and gives what all of them saw. */
  async end(): Promise<unknown[]> {
    const { store } = this.world;
    const writes = KEYS.map((key) => put(key, new Uint8Array([48])));
    const [last] = await store.commit([{ guards: [], writes }]);
    this.#lastRevision = last?.revision ?? 0;
    for (const lease of this.#leases) await store.revoke(lease);
    // A change in every range, for watches that had seen the last one already.
    await store.commit([{ guards: [], writes }]);
    return Promise.all(this.#watches);
  }

  async #do(step: Step): Promise<unknown> {
    const { store, compact, expire, shortTtlMs } = this.world;
    switch (step.do) {
      case "commit":
        return this.#commit(step.parts);
      case "get":
        return this.#shownEntry(await store.get(step.key));
      case "range":
        return this.#range(step);
      case "watch":
        this.#watches.push(noticedLater(this.#watch(step.range, this.#base + step.after)));
        return undefined;
      case "grant":
        this.#leases.push((await store.grant(step.short ? shortTtlMs : LONG_TTL_MS)).id);
        return undefined;
      case "keepAlive":
        return store.keepAlive(this.#lease(step.lease));
      case "revoke":
        return store.revoke(this.#lease(step.lease));
      case "expire":
        return expire(this.#lease(step.lease));
      case "compact":
        return compact(this.#base + step.at);
    }
  }

  async #commit(parts: readonly PartStep[]): Promise<unknown> {
    const results = await this.world.store.commit(parts.map((part) => this.#part(part)));
    return results.map(({ applied, revision, reads }) => ({
      applied,
      revision: revision - this.#base,
      reads: reads.map((entry) => this.#shownEntry(entry)),
    }));
  }

  async #range({ range, limit, count, at }: Extract<Step, { do: "range" }>): Promise<unknown> {
    const options: RangeOptions = {
      count,
      ...(limit === undefined ? {} : { limit }),
      ...(at === undefined ? {} : { revision: this.#base + at }),
    };
    const page = await this.world.store.range(range, options);
    return {
      ...page,
      revision: page.revision - this.#base,
      entries: page.entries.map((entry) => this.#shownEntry(entry)),
    };
  }

  async #watch(range: KeyRange, after: Revision): Promise<unknown> {
    const seen: WatchEvent[] = [];
    let position = after;
    try {
      for await (const batch of this.world.store.watch(range, { after })) {
        checkBatch(batch, position);
        position = batch.revision;
        seen.push(...batch.events);
        if (position >= this.#lastRevision) break;
      }
    } catch (error) {
      return this.#shownError(error);
    }
    return sorted(seen)
      .filter(({ modRevision }) => modRevision <= this.#lastRevision)
      .map((event) => this.#shownEvent(event));
  }

  #part({ guards, writes, otherwise }: PartStep): Part {
    return {
      guards: guards.map(({ key, is, at }) => guardOf(key, is, at === 0 ? 0 : this.#base + at)),
      writes: writes.map(({ key, value, lease }) =>
        value === undefined
          ? del(key)
          : put(key, Buffer.from(value), lease === undefined ? undefined : this.#lease(lease)),
      ),
      otherwise,
    };
  }

  /** One of the sequence's leases; before there is one, a lease that never was. */
  #lease(index: number): LeaseId {
    return this.#leases[index % this.#leases.length] ?? "4711";
  }

  #shownEvent(event: WatchEvent): unknown {
    const { type, key, modRevision } = event;
    const entry = event.type === "put" ? this.#shownEntry(event.entry) : undefined;
    return { type, key, modRevision: modRevision - this.#base, entry };
  }

  #shownEntry(entry: Entry | undefined): unknown {
    if (entry === undefined) return undefined;
    const { key, value, createRevision, modRevision, version, lease } = entry;
    return {
      key,
      value: Buffer.from(value).toString(),
      createRevision: createRevision - this.#base,
      modRevision: modRevision - this.#base,
      version,
      lease: lease === undefined ? undefined : this.#leases.indexOf(lease),
    };
  }

  #shownError(error: unknown): unknown {
    if (!isEtaskError(error)) throw error;
    return { code: error.code, applied: (error as { applied?: unknown }).applied };
  }
}

/** A promise that may fail before anybody waits for it; whoever does is told. */
function noticedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function guardOf(key: string, is: Guard["is"], revision: Revision): Guard {
  switch (is) {
    case "absent":
    case "present":
      return { key, is };
    case "unchanged":
      return { key, is, modRevision: revision };
    case "created":
      return { key, is, createRevision: revision };
  }
}

/** Within a revision the order of events is free. */
function sorted(events: readonly WatchEvent[]): WatchEvent[] {
  return [...events].sort(
    (one, other) => one.modRevision - other.modRevision || (one.key < other.key ? -1 : 1),
  );
}
