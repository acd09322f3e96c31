import { resolve } from "node:path";
import { type Clock, systemClock } from "../../base/clock.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireInteger, requireKnownKeys, shown } from "../../base/options.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { checkCommit, LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN } from "../limits.ts";
import type { Part } from "../part.ts";
import type { KeyRange } from "../range.ts";
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
} from "../store.ts";
import { StoreClosedError, StoreError } from "../store-errors.ts";
import { openDirectory } from "./directory.ts";
import { readError } from "./failure.ts";
import { inlineLink, startWriterThread, threadLink } from "./link.ts";
import { rangeQuery, readEntry, readRange } from "./reading.ts";
import { snapshot, type Tables } from "./tables.ts";
import { Tail } from "./tail.ts";
import { watchRange } from "./watch.ts";
import { Writer } from "./writer.ts";

/** Where an embedded store is, and how this process uses it. */
export interface EmbeddedStoreOptions {
  /** The store's directory; made when it is missing. For this store alone, on a local disk. */
  readonly directory: string;
  /** What {@link Store.url} shows. Default: `embedded:` and the absolute directory. */
  readonly url?: string;
  /** Only with `inline`: a thread lives on the real clock. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** Write in the calling thread: for callers that never block, such as threads of our own. */
  readonly inline?: boolean;
  /** History is kept for at least this long, 1 000 to 86 400 000 ms. Default 300 000. */
  readonly historyMs?: number;
}

/**
 * Opens the store in a directory. Any number of processes and threads may have it open at once.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option.
 * @throws StoreRefusedError (`STORE_REFUSED`) when the directory is not ours, not writable,
 *   damaged, or was written by a newer version.
 */
export function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  return EmbeddedStore.open(options);
}

function requireDirectory(directory: unknown): string {
  if (typeof directory === "string" && directory !== "" && !directory.includes("\0")) {
    return directory;
  }
  throw new InvalidOptionsError(`directory must be the path of one; got ${shown(directory)}.`);
}

const OPTIONS = ["directory", "url", "clock", "random", "inline", "historyMs"];

interface Organs {
  readonly tables: Tables;
  readonly tail: Tail;
  readonly writer: Writer;
  readonly clock: Clock;
  readonly url: string;
}

/**
 * A store in a directory of this machine, shared by its processes: {@link openEmbeddedStore}.
 *
 * Reads happen in the calling thread, on the newest state; writes go to the writer; watches follow
 * the log. See `tables.ts`, `write-loop.ts` and `tail.ts`.
 */
export class EmbeddedStore implements Store {
  readonly url: string;
  readonly #tables: Tables;
  readonly #tail: Tail;
  readonly #writer: Writer;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  private constructor({ tables, tail, writer, clock, url }: Organs) {
    this.url = url;
    this.#tables = tables;
    this.#tail = tail;
    this.#writer = writer;
    this.#clock = clock;
  }

  /** Use {@link openEmbeddedStore}. */
  static async open(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    requireKnownKeys("openEmbeddedStore", options, OPTIONS);
    const { clock = systemClock, random = systemRandom, inline = false } = options;
    const historyMs = requireInteger("historyMs", options.historyMs ?? 300_000, 1_000, 86_400_000);
    if (!inline && clock !== systemClock) {
      throw new InvalidOptionsError(
        "A clock of your own needs inline: the thread has the real one.",
      );
    }
    const directory = resolve(requireDirectory(options.directory));
    const url = options.url ?? `embedded:${directory}`;
    const tables = openDirectory(directory, random);
    const tail = new Tail(tables, clock, directory);
    const onChange = () => tail.check();
    try {
      const thread = inline ? undefined : await startWriterThread({ directory, historyMs });
      const writer = new Writer(clock, (self) =>
        thread === undefined
          ? inlineLink(tables, { directory, historyMs, clock, random }, self, onChange)
          : threadLink(thread, clock, self, onChange),
      );
      return new EmbeddedStore({ tables, tail, writer, clock, url });
    } catch (error) {
      await tables.root.close();
      throw error;
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#read((tables) => readEntry(tables, key));
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangePage> {
    const query = rangeQuery(range, options);
    return this.#read((tables) => readRange(tables, query));
  }

  async commit(parts: readonly Part[]): Promise<PartResult[]> {
    this.#requireOpen();
    checkCommit(parts);
    return this.#writer.request<"commit">({ op: "commit", parts });
  }

  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    return watchRange(this.#tail, this.#clock, range, options);
  }

  async grant(ttlMs: number): Promise<Lease> {
    this.#requireOpen();
    requireInteger("ttlMs", ttlMs, LEASE_TTL_MS_MIN, LEASE_TTL_MS_MAX);
    return this.#writer.request<"grant">({ op: "grant", ttlMs });
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    this.#requireOpen();
    await this.#writer.request<"keepAlive">({ op: "keepAlive", lease });
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.#requireOpen();
    await this.#writer.request<"revoke">({ op: "revoke", lease });
  }

  /**
   * Forgets the history below `revision`, as etcd's compaction does. Not needed in operation:
   * history is trimmed by its age.
   *
   * @throws InvalidOptionsError (`INVALID_OPTIONS`) when the store is not at `revision` yet.
   */
  async compact(revision: Revision): Promise<void> {
    this.#requireOpen();
    requireInteger("revision", revision, 0, Number.MAX_SAFE_INTEGER);
    await this.#writer.request<"compact">({ op: "compact", revision });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#tail.close();
    await this.#writer.close();
    await this.#tables.root.close();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new StoreClosedError();
  }

  #read<T>(read: (tables: Tables) => T): T {
    this.#requireOpen();
    try {
      return snapshot(this.#tables, () => read(this.#tables));
    } catch (error) {
      throw error instanceof StoreError ? error : readError(error);
    }
  }
}
