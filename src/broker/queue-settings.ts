import type { Duration } from "../base/duration.ts";
import { requireInteger, requireKnownKeys, requireOneOf } from "../base/options.ts";
import { del, keyUnchanged, type Part, put } from "../store/part.ts";
import type { Revision, Store } from "../store/store.ts";
import {
  DEFAULT_RETENTION,
  type RetentionOptions,
  resolveRetention,
} from "../task/enqueue-options.ts";
import { queueKey } from "../task/keyspace.ts";
import { decodeQueue, type QueueRecord } from "../task/queue-record.ts";
import { encodeRecord, type RetentionRecord, type SpecRecord } from "../task/records.ts";
import { resolveStoredRetry, type StoredRetryOptions } from "../task/retry-policy.ts";
import { readOr } from "../task/task-reader.ts";
import { resolveTimeout, type TimeoutOptions } from "../task/timeout.ts";

/** What can be set for a queue. What is left out stays as it is; `null` takes a setting back. */
export interface QueueOptions {
  /** For tasks whose enqueue and definition say nothing, as the next two. */
  readonly retry?: StoredRetryOptions | null;
  readonly timeout?: Duration | TimeoutOptions | null;
  readonly retention?: Duration | RetentionOptions | null;
  /**
   * `"strict"`: tasks start in order across the whole queue, whatever the number of workers, at the
   * price of races between them. Default `"sharded"`: each worker follows the order in its shards.
   */
  readonly order?: "sharded" | "strict" | null;
  /** Most tasks of the queue that one worker runs at once, 1 to 10,000. */
  readonly concurrency?: number | null;
  /** How many ended tasks are kept, and how many bytes of them, whatever their age. */
  readonly keep?: {
    /** 0 to 10 million. */
    readonly count?: number | null;
    /** 0 to 1 TiB. */
    readonly bytes?: number | null;
  } | null;
}

const OPTIONS = ["retry", "timeout", "retention", "order", "concurrency", "keep"];
const ORDERS: readonly ("sharded" | "strict")[] = ["sharded", "strict"];
const CONCURRENCY_MAX = 10_000;
const COUNT_MAX = 10_000_000;
const BYTES_MAX = 2 ** 40;

/** The settings of a queue as they are stored, and the revision that wrote them; 0 for none. */
export interface StoredSettings {
  readonly record: QueueRecord;
  readonly revision: Revision;
}

/** Reads the settings of a queue; a damaged record is reported and sets nothing. */
export async function readQueueSettings(store: Store, queue: string): Promise<StoredSettings> {
  const entry = await store.get(queueKey(queue));
  if (!entry) return { record: {}, revision: 0 };
  return { record: readOr(entry, decodeQueue) ?? {}, revision: entry.modRevision };
}

/** How long a task of the queue is kept, as far as can be said without its definition. */
export async function readRetention(
  store: Store,
  { retention }: SpecRecord,
  queue: string,
): Promise<RetentionRecord> {
  if (retention) return retention;
  return (await readQueueSettings(store, queue)).record.retention ?? DEFAULT_RETENTION;
}

/** Writes the settings of a queue, or forgets a queue without any. Held while they are as read. */
export function settingsPart(queue: string, read: StoredSettings, next: QueueRecord): Part {
  const key = queueKey(queue);
  const guards = [keyUnchanged(key, read.revision)];
  if (Object.keys(next).length === 0) return { guards, writes: [del(key)] };
  return { guards, writes: [put(key, encodeRecord(next))], witness: key };
}

/**
 * Reads what is to be set; the answer lays it over what is set already.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function resolveQueueOptions(given: QueueOptions): (before: QueueRecord) => QueueRecord {
  requireKnownKeys("configure", given, OPTIONS);
  const changes = {
    retry: resolved(given.retry, resolveStoredRetry),
    timeout: resolved(given.timeout, resolveTimeout),
    retention: resolved(given.retention, resolveRetention),
    order: resolved(given.order, (order) => requireOneOf("order", order, ORDERS)),
    concurrency: resolved(given.concurrency, (most) =>
      requireInteger("concurrency", most, 1, CONCURRENCY_MAX),
    ),
  };
  const keep = resolved(given.keep, resolveKeep);
  return (before) => {
    const kept = keep && laidOver(before.keep ?? {}, keep);
    const nothing = kept && Object.keys(kept).length === 0;
    return laidOver<QueueRecord>(before, { ...changes, keep: nothing ? null : kept });
  };
}

function resolveKeep(keep: NonNullable<QueueOptions["keep"]>) {
  requireKnownKeys("keep", keep, ["count", "bytes"]);
  return {
    count: resolved(keep.count, (count) => requireInteger("keep.count", count, 0, COUNT_MAX)),
    bytes: resolved(keep.bytes, (bytes) => requireInteger("keep.bytes", bytes, 0, BYTES_MAX)),
  };
}

/** What is absent or `null` says something, too. */
function resolved<In, Out>(
  given: In | null | undefined,
  resolve: (given: In) => Out,
): Out | null | undefined {
  if (given === undefined || given === null) return given as null | undefined;
  return resolve(given);
}

/** Members of `changes` replace those of `before`; `null` takes one away, `undefined` leaves it. */
function laidOver<T extends object>(
  before: T,
  changes: { readonly [Member in keyof T]?: T[Member] | null | undefined },
): T {
  const members = { ...before, ...definedOf(changes) };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null)) as T;
}

function definedOf(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
