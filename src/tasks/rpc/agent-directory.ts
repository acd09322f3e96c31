/**
 * Who serves, as one process sees it: the live agents of a store, kept from one watch.
 *
 * There is one directory for a store, shared by all tasks that call agents there. It follows the
 * keys under `agent/` while somebody uses it and {@link LINGER_MS} beyond, so that one call after
 * another costs no listing; then it forgets everything and closes its connections. An agent's life
 * is told by the revision that created its key: when the key is deleted, or stands there by another
 * revision, the life is over, and those that wait for its calls hear of it.
 *
 * While the store is away, the directory stays as it was: an agent that cannot be reached by the
 * store is not gone before its lease is, and calls under way need no store. When the store is
 * closed, the directory ends. Its timers do not keep a process alive.
 */
import { type CancelTimer, systemClock } from "../../base/clock.ts";
import { createDeferred, type Deferred } from "../../base/deferred.ts";
import { isEtaskError } from "../../base/errors.ts";
import { type LoopWorld, runLoop } from "../../base/loop.ts";
import { systemRandom } from "../../base/random.ts";
import { follow } from "../../coordination/follower.ts";
import type { Entry, Store, WatchBatch } from "../../store/store.ts";
import { decodeAgent } from "../../task/decode.ts";
import { AGENTS_RANGE, agentOfKey } from "../../task/keyspace.ts";
import { readOr } from "../../task/task-reader.ts";
import { KnownAgent } from "./known-agent.ts";

const LINGER_MS = 5_000;

/** Whom a task may call: the agent of a name, or any that has all labels. */
export type AgentChoice = string | { readonly labels: Readonly<Record<string, string>> };

const directories = new WeakMap<Store, AgentDirectory>();

/** See the essay above. */
export class AgentDirectory {
  readonly world: LoopWorld;
  readonly #store: Store;
  readonly #agents = new Map<string, KnownAgent>();
  #users = 0;
  #following: AbortController | undefined;
  #known = false;
  #changed: Deferred<void> = createDeferred<void>();
  #cancelLinger: CancelTimer = () => {};

  constructor(store: Store, world: LoopWorld) {
    this.#store = store;
    this.world = world;
  }

  /** The directory of a store. */
  static of(store: Store): AgentDirectory {
    const known = directories.get(store);
    if (known) return known;
    const world = { clock: systemClock, random: systemRandom };
    const directory = new AgentDirectory(store, world);
    directories.set(store, directory);
    return directory;
  }

  /** Whether the agents have been listed. */
  get known(): boolean {
    return this.#known;
  }

  /** Follows the agents until what is returned is called. */
  use(): () => void {
    this.#users += 1;
    this.#cancelLinger();
    this.#following ??= this.#follow();
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      this.#users -= 1;
      if (this.#users > 0) return;
      this.#cancelLinger = this.world.clock.after(LINGER_MS, () => this.close());
    };
  }

  /** The live agents that a choice fits, those that are leaving among them. */
  find(choice: AgentChoice): readonly KnownAgent[] {
    if (typeof choice === "string") {
      const agent = this.#agents.get(choice);
      return agent ? [agent] : [];
    }
    const labels = Object.entries(choice.labels);
    return [...this.#agents.values()].filter(({ record }) =>
      labels.every(([name, value]) => record.labels[name] === value),
    );
  }

  /** The agent of that name as it lives now. */
  get(name: string): KnownAgent | undefined {
    return this.#agents.get(name);
  }

  /** Resolves at the next change, or when the agents have been listed. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Forgets everything; the next use begins anew. */
  close(): void {
    this.#following?.abort();
    this.#following = undefined;
    this.#known = false;
    for (const agent of this.#agents.values()) agent.retire();
    this.#agents.clear();
  }

  #follow(): AbortController {
    const following = new AbortController();
    const { signal } = following;
    const sink = {
      reset: (entries: readonly Entry[]) => this.#reset(entries),
      apply: (batch: WatchBatch) => this.#apply(batch),
    };
    const done = runLoop("agents", this.world, signal, async () => {
      try {
        await follow(this.#store, AGENTS_RANGE, sink, signal, this.world.clock);
      } catch (error) {
        if (!isEtaskError(error) || error.code !== "STORE_CLOSED") throw error;
      }
    });
    // A store that was closed is followed no more.
    done.then(() => {
      if (this.#following === following) this.close();
    });
    return following;
  }

  #reset(entries: readonly Entry[]): void {
    const seen = new Set(entries.map(({ key }) => agentOfKey(key)));
    for (const name of [...this.#agents.keys()]) if (!seen.has(name)) this.#remove(name);
    for (const entry of entries) this.#put(entry);
    this.#known = true;
    this.#tell();
  }

  #apply({ events }: WatchBatch): void {
    for (const event of events) {
      if (event.type === "put") this.#put(event.entry);
      else this.#remove(agentOfKey(event.key));
    }
    if (events.length > 0) this.#tell();
  }

  #put(entry: Entry): void {
    const name = agentOfKey(entry.key);
    const record = readOr(entry, decodeAgent);
    const known = this.#agents.get(name);
    if (record && known?.revision === entry.createRevision) known.record = record;
    else {
      this.#remove(name);
      if (record) this.#agents.set(name, new KnownAgent(name, entry.createRevision, record));
    }
  }

  #remove(name: string): void {
    const agent = this.#agents.get(name);
    this.#agents.delete(name);
    agent?.vanish();
  }

  #tell(): void {
    const changed = this.#changed;
    this.#changed = createDeferred<void>();
    changed.resolve();
  }
}
