/**
 * A bare client of the store: reads and commits on a few keys from several callers at once, and
 * watches them, from now on and from the past. What it was told is in the journal, for the checker
 * of linearizability and the validators of watches.
 */

import type { Chance } from "../../sim/engine/chance.ts";
import type { Clock } from "../../src/base/clock.ts";
import { del, type Guard, keyAbsent, keyPresent, keyUnchanged, put } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import type { Entry, Revision, Store } from "../../src/store/store.ts";
import { HistoryLostError, StoreError } from "../../src/store/store-errors.ts";
import type { Change, Expect, StoreOp } from "../linear/store-op.ts";
import type { Journal } from "./journal.ts";

/** Begins every key of the bare clients. Queue records begin otherwise. */
export const LINEAR_PREFIX = "linear/";

const CALLERS = 3;
const KEYS = ["a", "b"];
/** A group is in use for so long, so that no history grows without a bound. */
const GROUP_MS = 4_000;
const GROUPS = 2;
const PAUSE_MS_MAX = 40;
const WATCH_MS_MAX = 6_000;
/** So far into the past a watch begins at most. */
const PAST_REVISIONS = 200;

/** What a bare client works with. */
export interface StoreClientWorld {
  readonly store: Store;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly process: string;
  readonly journal: Journal;
}

type Asked = Omit<StoreOp, "end" | "revision">;

/** See above. */
export class StoreClient {
  readonly #world: StoreClientWorld;
  readonly #over = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #written = 0;
  #sessions = 0;
  #newest: Revision = 0;

  constructor(world: StoreClientWorld) {
    this.#world = world;
  }

  start(): void {
    const callers = Array.from({ length: CALLERS }, (_, index) => this.#call(index));
    this.#running = Promise.all([...callers, this.#watchAgain()]);
  }

  /** Begins nothing any more, and waits for what was begun. */
  async quiet(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #call(index: number): Promise<void> {
    const { chance, clock } = this.#world;
    const client = `${this.#world.process}/${index}`;
    const seen = new Map<string, Entry | undefined>();
    while (!this.#over.signal.aborted) {
      const epoch = Math.floor(clock.monotonic() / GROUP_MS);
      const group = `${LINEAR_PREFIX}${epoch}-${chance.below(GROUPS)}`;
      const read = chance.happens(0.35);
      try {
        if (read) await this.#read(client, group, seen);
        else await this.#commit(client, group, seen);
      } catch (error) {
        if (!(error instanceof StoreError)) this.#broken(error);
      }
      await clock.sleep(chance.between(0, PAUSE_MS_MAX), this.#over.signal).catch(() => {});
    }
  }

  #broken(error: unknown): void {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#world.journal.write({ kind: "broken", at: this.#world.clock.monotonic(), what });
  }

  async #read(client: string, group: string, seen: Map<string, Entry | undefined>): Promise<void> {
    const { store, clock, chance, journal } = this.#world;
    const start = clock.monotonic();
    const one = chance.happens(0.5) ? `${group}/${chance.pick(KEYS)}` : undefined;
    let entries: readonly (Entry | undefined)[];
    let revision: Revision | undefined;
    if (one === undefined) {
      const page = await store.range(prefixRange(`${group}/`));
      entries = page.entries;
      revision = page.revision;
    } else entries = [await store.get(one)];
    const end = clock.monotonic();
    const asked = one === undefined ? KEYS.map((key) => `${group}/${key}`) : [one];
    const found = asked.map((key): Change => {
      const entry = entries.find((each) => each?.key === key);
      seen.set(key, entry);
      return entry ? { key, value: textOf(entry) } : { key };
    });
    this.#advance(revision);
    const at = { client, group, start, end };
    const op = { ...at, action: { kind: "read" as const, found } };
    journal.write({ kind: "op", op: revision === undefined ? op : { ...op, revision } });
  }

  async #commit(
    client: string,
    group: string,
    seen: Map<string, Entry | undefined>,
  ): Promise<void> {
    const { store, clock, chance, journal, process } = this.#world;
    const keys = KEYS.map((key) => `${group}/${key}`);
    const written = chance.happens(0.4) ? keys : [chance.pick(keys)];
    const changes = written.map((key): Change => {
      if (chance.happens(0.15)) return { key };
      this.#written += 1;
      return { key, value: `${process}#${this.#written}` };
    });
    const guarded = chance.pick(keys);
    const { guard, expect } = this.#guard(guarded, seen);
    const writes = changes.map(({ key, value }) =>
      value === undefined ? del(key) : put(key, Buffer.from(value)),
    );
    const witness = changes.find(({ value }) => value !== undefined)?.key;
    const part = { guards: guard ? [guard] : [], writes, otherwise: [guarded] };
    const start = clock.monotonic();
    const action = { kind: "commit" as const, expect: expect ? [expect] : [], changes };
    const asked: Asked = { client, group, start, action };
    let result: Awaited<ReturnType<Store["commit"]>>[number] | undefined;
    try {
      [result] = await store.commit([witness === undefined ? part : { ...part, witness }]);
    } catch (error) {
      // Whatever says "no" for sure took no effect, and is no operation.
      if (!(error instanceof StoreError) || error.applied !== "no") {
        journal.write({ kind: "op", op: asked });
      }
      throw error;
    }
    const end = clock.monotonic();
    if (!result) return;
    const { applied, revision } = result;
    // A part without a witness may be said not to be applied although its first copy was.
    if (!applied && witness === undefined) return journal.write({ kind: "op", op: asked });
    this.#advance(revision);
    const op: StoreOp = { ...asked, action: { ...action, applied }, end, revision };
    journal.write({ kind: "op", op });
    if (!applied) seen.set(guarded, result.reads[0]);
  }

  #guard(
    key: string,
    seen: ReadonlyMap<string, Entry | undefined>,
  ): { readonly guard?: Guard; readonly expect?: Expect } {
    const { chance } = this.#world;
    if (chance.happens(0.1)) return {};
    if (chance.happens(0.1)) return { guard: keyPresent(key), expect: { key, is: "present" } };
    const entry = seen.get(key);
    if (!entry) return { guard: keyAbsent(key), expect: { key, is: "absent" } };
    const guard = keyUnchanged(key, entry.modRevision);
    return { guard, expect: { key, is: "value", value: textOf(entry) } };
  }

  #advance(revision: Revision = 0): void {
    this.#newest = Math.max(this.#newest, revision);
  }

  async #watchAgain(): Promise<void> {
    const { chance, clock } = this.#world;
    while (!this.#over.signal.aborted) {
      const back = chance.happens(0.5) ? chance.below(PAST_REVISIONS) : 0;
      const ending = new AbortController();
      const stop = () => ending.abort();
      this.#over.signal.addEventListener("abort", stop);
      const cancel = clock.after(chance.between(500, WATCH_MS_MAX), stop);
      try {
        await this.#watch(Math.max(0, this.#newest - back), ending.signal);
      } catch (error) {
        if (!(error instanceof StoreError)) this.#broken(error);
        const pause = error instanceof HistoryLostError ? 0 : 500;
        await clock.sleep(pause, this.#over.signal).catch(() => {});
      }
      cancel();
      this.#over.signal.removeEventListener("abort", stop);
    }
  }

  async #watch(after: Revision, signal: AbortSignal): Promise<void> {
    const { store, journal } = this.#world;
    this.#sessions += 1;
    const session = this.#sessions;
    journal.write({ kind: "watch", session, after });
    for await (const batch of store.watch(prefixRange(LINEAR_PREFIX), { after, signal })) {
      const events = batch.events.map((event) => {
        const { key, modRevision: revision } = event;
        return event.type === "put"
          ? { key, revision, value: textOf(event.entry) }
          : { key, revision };
      });
      journal.write({ kind: "batch", session, revision: batch.revision, events });
      this.#advance(batch.revision);
    }
  }
}

function textOf({ value }: Entry): string {
  return Buffer.from(value).toString();
}
