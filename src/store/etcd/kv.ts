import type { Guard, Part, Write } from "../part.ts";
import type { KeyRange } from "../range.ts";
import type {
  Entry,
  LeaseId,
  PartResult,
  RangeOptions,
  RangePage,
  Revision,
  WatchEvent,
} from "../store.ts";
import type {
  Compare,
  Event,
  KeyValue,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from "./proto/generated/etcd.ts";

/**
 * Between the store's contract and etcd's messages. Pure.
 *
 * Never a sort, a revision filter, or a revision within a transaction: each of them is slow or
 * unsafe on some version of etcd. Keys come in order without being asked.
 */

/** The smallest key: where a range with an empty start begins. etcd has no empty key. */
const FIRST_KEY = "\0";

/** An id that no lease gets: what text that cannot be a lease's id is sent as. */
const UNKNOWN_LEASE: LeaseId = String(2n ** 63n - 1n);

/** Whether `lease` is text that a lease of etcd can have as its id. */
export function isLeaseId(lease: LeaseId): boolean {
  return /^[1-9]\d{0,18}$/.test(lease) && BigInt(lease) < BigInt(UNKNOWN_LEASE);
}

/**
 * Whether no key can lie in `range`. etcd takes some such ranges for "all keys" and refuses others.
 */
export function isEmptyRange({ start, end }: KeyRange): boolean {
  return end <= start || end === FIRST_KEY;
}

/** The two ends of a range that is not empty, as etcd wants them. */
export function rangeBounds({ start, end }: KeyRange): { key: string; rangeEnd: string } {
  return { key: start === "" ? FIRST_KEY : start, rangeEnd: end };
}

/** The request for a page. An empty range asks for a key that is surely not there. */
export function rangeRequest(range: KeyRange, limit: number, revision: Revision): RangeRequest {
  if (isEmptyRange(range)) return { key: FIRST_KEY, limit, revision };
  return { ...rangeBounds(range), limit, revision };
}

/** The page that an answer holds. */
export function rangePage(
  { header, kvs, more, count }: RangeResponse,
  options: RangeOptions,
): RangePage {
  const entries = kvs.map(entryOf);
  const revision = options.revision ?? header?.revision ?? 0;
  return { entries, revision, more, ...(options.count === true && { count }) };
}

/** etcd's key and value as the contract's entry. */
export function entryOf(kv: KeyValue): Entry {
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return lease === "0"
    ? { key, value, createRevision, modRevision, version }
    : { key, value, createRevision, modRevision, version, lease };
}

/** etcd's event as the contract's. */
export function eventOf({ type, kv }: Event): WatchEvent {
  if (kv === undefined) throw new RangeError("An event has no key.");
  if (type === "PUT") {
    const entry = entryOf(kv);
    return { type: "put", key: entry.key, modRevision: entry.modRevision, entry };
  }
  return { type: "delete", key: kv.key, modRevision: kv.modRevision };
}

/**
 * The transaction for a commit: one part is a flat transaction; several are one transaction without
 * conditions that holds one transaction for each part.
 */
export function txnRequest(parts: readonly Part[]): TxnRequest {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return partTxn(first);
  return { success: parts.map((part) => ({ requestTxn: partTxn(part) })) };
}

function partTxn({ guards, writes, otherwise = [] }: Part): TxnRequest {
  return {
    compare: guards.map(compareOf),
    success: writes.map(requestOf),
    failure: otherwise.map((key) => ({ requestRange: { key } })),
  };
}

function compareOf(guard: Guard): Compare {
  const { key } = guard;
  switch (guard.is) {
    case "absent":
      return { key, target: "CREATE", result: "EQUAL", createRevision: 0 };
    case "present":
      return { key, target: "CREATE", result: "GREATER", createRevision: 0 };
    case "unchanged":
      if (guard.modRevision === 0) return never(key);
      return { key, target: "MOD", result: "EQUAL", modRevision: guard.modRevision };
    case "created":
      if (guard.createRevision === 0) return never(key);
      return { key, target: "CREATE", result: "EQUAL", createRevision: guard.createRevision };
  }
}

/** No entry has revision 0. etcd takes an absent key's revisions for 0. */
function never(key: string): Compare {
  return { key, target: "CREATE", result: "LESS", createRevision: 0 };
}

function requestOf(write: Write): RequestOp {
  const { key } = write;
  if (write.op === "delete") return { requestDeleteRange: { key } };
  const { value, lease } = write;
  const known = lease === undefined || isLeaseId(lease);
  return { requestPut: { key, value, lease: known ? lease : UNKNOWN_LEASE } };
}

/** What became of each part. @throws RangeError when the answer does not fit the request. */
export function partResults(parts: readonly Part[], response: TxnResponse): PartResult[] {
  const answers =
    parts.length === 1 ? [response] : response.responses.map((each) => each.responseTxn);
  if (answers.length !== parts.length) {
    throw new RangeError(`${parts.length} parts got ${answers.length} answers.`);
  }
  const revision = response.header?.revision ?? 0;
  // The header tells the revision after the commit; guards were judged on the one before it.
  const judged = answers.some((answer) => answer && changesSomething(answer))
    ? revision - 1
    : revision;
  return answers.map((answer, index) => {
    if (answer === undefined) throw new RangeError("A part got no answer.");
    if (answer.succeeded) return { applied: true, revision, reads: [] };
    const reads = answer.responses.map((each) => readOf(each));
    const asked = parts[index]?.otherwise?.length ?? 0;
    if (reads.length !== asked) throw new RangeError(`${asked} reads got ${reads.length} answers.`);
    return { applied: false, revision: judged, reads };
  });
}

function changesSomething({ succeeded, responses }: TxnResponse): boolean {
  return (
    succeeded &&
    responses.some(
      ({ responsePut, responseDeleteRange }) =>
        responsePut !== undefined || (responseDeleteRange?.deleted ?? 0) > 0,
    )
  );
}

function readOf({ responseRange }: ResponseOp): Entry | undefined {
  const kv = responseRange?.kvs[0];
  return kv && entryOf(kv);
}

/**
 * The leases that a commit names, for the text of an error: etcd does not say which one is gone.
 */
export function leasesOf(parts: readonly Part[]): LeaseId | undefined {
  const leases = new Set<LeaseId>();
  for (const { writes } of parts) {
    for (const write of writes) if (write.op === "put" && write.lease) leases.add(write.lease);
  }
  return leases.size > 0 ? [...leases].join(" or ") : undefined;
}
