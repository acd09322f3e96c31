import type { Part } from "./part.ts";
import { InvalidCommitError } from "./store-errors.ts";

/** Longest key. etcd has no limit of its own; LMDB pages do. */
export const KEY_BYTES_MAX = 1_024;

/** Largest value: a payload of 1 MiB with its envelope. */
export const VALUE_BYTES_MAX = 1_200_000;

/**
 * Most parts of one commit. On etcd a commit is one transaction that nests one transaction for each
 * part; a nested one may use what the outer one left of `--max-txn-ops` (default 128): 96 + 32.
 */
export const COMMIT_PARTS_MAX = 96;

/** Most guards, most writes and most reads (with the witness) of one part, each. */
export const PART_OPS_MAX = 32;

/**
 * Largest commit by {@link partBytes}; leaves room below etcd's `--max-request-bytes` of 1.5 MiB.
 */
export const COMMIT_BYTES_MAX = 1_310_720;

/** Most entries of one page. */
export const RANGE_LIMIT_MAX = 1_000;

/** Shortest lease. etcd raises it to 1.5 election timeouts, which is 2 s by default. */
export const LEASE_TTL_MS_MIN = 1_000;

/** Longest lease. */
export const LEASE_TTL_MS_MAX = 3_600_000;

const OP_BYTES = 32;
const KEY_PATTERN = /^[\x20-\x7e]+$/;

/**
 * What a part counts against {@link COMMIT_BYTES_MAX}: keys, values and 32 bytes for each
 * operation. A witness counts as a read, so that a part that fits also fits when it has to be sent
 * again.
 */
export function partBytes(part: Part): number {
  let bytes = part.witness === undefined ? 0 : OP_BYTES + part.witness.length;
  for (const guard of part.guards) bytes += OP_BYTES + guard.key.length;
  for (const key of part.otherwise ?? []) bytes += OP_BYTES + key.length;
  for (const write of part.writes) {
    bytes += OP_BYTES + write.key.length + (write.op === "put" ? write.value.byteLength : 0);
  }
  return bytes;
}

/** @throws InvalidCommitError (`INVALID_COMMIT`) unless `key` is a valid key to write. */
export function checkKey(key: string): void {
  if (key.length > KEY_BYTES_MAX || !KEY_PATTERN.test(key)) {
    const shown = JSON.stringify(key.length > 80 ? `${key.slice(0, 77)}...` : key);
    throw new InvalidCommitError(
      `A key must have 1 to ${KEY_BYTES_MAX} characters of printable ASCII; got ${key.length} ` +
        `characters: ${shown}.`,
    );
  }
}

/** Commits that were put together from checked ones, so that the hot path checks each part once. */
const checkedCommits = new WeakSet<readonly Part[]>();

/**
 * Says that `parts` keep all rules, because whoever made the list checked each part and their sum.
 */
export function markChecked(parts: readonly Part[]): void {
  checkedCommits.add(parts);
}

/**
 * Checks everything that the contract of `Store.commit` asks of its argument.
 *
 * @throws InvalidCommitError (`INVALID_COMMIT`) naming the rule that is broken.
 */
export function checkCommit(parts: readonly Part[]): void {
  if (checkedCommits.has(parts)) return;
  if (parts.length === 0) throw new InvalidCommitError("A commit needs at least one part.");
  if (parts.length > COMMIT_PARTS_MAX) {
    throw new InvalidCommitError(
      `A commit has at most ${COMMIT_PARTS_MAX} parts; got ${parts.length}.`,
    );
  }
  let bytes = 0;
  for (const part of parts) {
    checkPart(part);
    bytes += partBytes(part);
  }
  if (bytes > COMMIT_BYTES_MAX) {
    throw new InvalidCommitError(`A commit has at most ${COMMIT_BYTES_MAX} bytes; got ${bytes}.`);
  }
  checkDisjoint(parts);
}

function checkPart(part: Part): void {
  const { otherwise = [], witness } = part;
  const hidden = witness === undefined || otherwise.includes(witness) ? 0 : 1;
  const counts = [part.guards.length, part.writes.length, otherwise.length + hidden];
  if (Math.max(...counts) > PART_OPS_MAX) {
    throw new InvalidCommitError(
      `A part has at most ${PART_OPS_MAX} guards, writes and reads each; got ${counts.join(", ")}.`,
    );
  }
  if (part.writes.length === 0) throw new InvalidCommitError("A part needs at least one write.");
  for (const guard of part.guards) checkKey(guard.key);
  for (const key of otherwise) checkKey(key);
  for (const write of part.writes) {
    checkKey(write.key);
    if (write.op === "put" && write.value.byteLength > VALUE_BYTES_MAX) {
      throw new InvalidCommitError(
        `A value has at most ${VALUE_BYTES_MAX} bytes; ${write.key} has ${write.value.byteLength}.`,
      );
    }
  }
  if (
    witness !== undefined &&
    !part.writes.some((write) => write.op === "put" && write.key === witness)
  ) {
    throw new InvalidCommitError(`The witness ${witness} is not a key that its part puts.`);
  }
}

/** Within a part a key is written once; between parts a written key belongs to its part alone. */
function checkDisjoint(parts: readonly Part[]): void {
  const writer = new Map<string, Part>();
  for (const part of parts) {
    for (const { key } of part.writes) {
      if (writer.has(key))
        throw new InvalidCommitError(`The key ${key} is written twice in one commit.`);
      writer.set(key, part);
    }
  }
  if (parts.length === 1) return;
  for (const part of parts) {
    for (const key of readKeys(part)) {
      const other = writer.get(key);
      if (other !== undefined && other !== part) {
        throw new InvalidCommitError(
          `The key ${key} is written by one part and read by another of one commit.`,
        );
      }
    }
  }
}

/** The keys that a part looks at without necessarily writing them. */
export function* readKeys(part: Part): Iterable<string> {
  for (const guard of part.guards) yield guard.key;
  if (part.otherwise) yield* part.otherwise;
}
