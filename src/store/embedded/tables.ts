import { type Database, open, type RootDatabase } from "lmdb";
import { KEY_BYTES_MAX } from "../limits.ts";
import { insideExitGate } from "./exit-gate.ts";

/**
 * The LMDB file and its tables, and the only two ways to touch them: {@link snapshot} and
 * {@link transaction}. What LMDB and its binding do that a reader must know:
 *
 * - **Durability.** `overlappingSync` off, `noSync` and `separateFlushed` never set: committing
 *   writes the changed pages, calls `fdatasync`, then writes the page that makes them current
 *   through a descriptor opened with `O_DSYNC`. `transactionSync` returns after that. A process
 *   that dies at any moment leaves the state before or after, and the robust lock it held goes to
 *   the next writer.
 * - **Snapshots.** The binding keeps a read transaction until the next turn of the event loop. Kept
 *   longer (a turn may last minutes when user code blocks), it would hide newer commits and stop
 *   the file from reusing pages, so it is dropped before and after each read.
 * - **Callbacks of transactions return nothing.** `put` returns a thenable, and a transaction whose
 *   callback returns one stays open, holding the lock of all processes.
 * - **A thread that is stopped within a transaction hangs**, with the lock: see `exit-gate.ts`.
 * - **Cursors do not survive writes.** Inside a transaction a range is read to its end, then
 *   changed.
 * - **Threads of one process share the map**, so it is made large at once: growing it maps the file
 *   anew below the feet of the other threads. The size is address space, not disk or memory.
 */
export interface Tables {
  readonly directory: string;
  readonly root: RootDatabase<Buffer, string>;
  /** Key to entry: the newest state. */
  readonly entries: Database<Buffer, string>;
  /** Revision and part to changes: the history. */
  readonly log: Database<Buffer, Buffer>;
  /** Lease id to lease. */
  readonly leases: Database<Buffer, string>;
  /** Lease id, "/", key: which keys a lease holds. Values are empty. */
  readonly attached: Database<Buffer, string>;
  /** Single facts, by the names of {@link META}. */
  readonly meta: Database<Buffer, string>;
}

/** The names of the records in {@link Tables.meta}. */
export const META = {
  format: "format",
  revision: "revision",
  compacted: "compacted",
  size: "size",
} as const;

/** The data file's name in the store's directory. LMDB keeps its lock beside it. */
export const DATA_FILE = "etask.mdb";

/** LMDB's lock and reader table. */
export const LOCK_FILE = "etask.mdb-lock";

const MAP_BYTES = 2 ** 34;

/** Processes and threads that read at one moment; more are refused by LMDB, not delayed. */
const READERS_MAX = 1_024;

/**
 * Keys as text. A bound of a range may be longer than any key; what lies beyond decides nothing.
 */
const textKeys = {
  writeKey: (key: string, target: Buffer, start: number) =>
    start + target.write(key, start, KEY_BYTES_MAX + 64, "utf8"),
  readKey: (source: Buffer, start: number, end: number) => source.toString("utf8", start, end),
};

/** Opens the LMDB file of a directory without creating any table in it. */
export function openRoot(directory: string): RootDatabase<Buffer, string> {
  return open<Buffer, string>({
    path: `${directory}/${DATA_FILE}`,
    noSubdir: true,
    overlappingSync: false,
    encoding: "binary",
    keyEncoder: textKeys,
    mapSize: MAP_BYTES,
    maxReaders: READERS_MAX,
    // Not in the binding's types: the mode of the files it creates.
    ...{ permissionsMode: 0o600 },
  });
}

/** Opens the tables of a directory, creating those that are missing. */
export function openTables(directory: string, root: RootDatabase<Buffer, string>): Tables {
  const text = { encoding: "binary", keyEncoder: textKeys } as const;
  return insideExitGate(() => ({
    directory,
    root,
    // First, because it tells whether the file is ours, and another process may look at any moment.
    meta: root.openDB<Buffer, string>("meta", text),
    entries: root.openDB<Buffer, string>("entries", text),
    log: root.openDB<Buffer, Buffer>("log", { encoding: "binary", keyEncoding: "binary" }),
    leases: root.openDB<Buffer, string>("leases", text),
    attached: root.openDB<Buffer, string>("attached", text),
  }));
}

/** Runs `read` on one state of the store: the newest at the moment of the call. */
export function snapshot<T>({ root }: Tables, read: () => T): T {
  root.resetReadTxn();
  try {
    return read();
  } finally {
    root.resetReadTxn();
  }
}

/** Where a transaction failed. Before `"commit"` it is certain that nothing was written. */
export type TransactionPhase = "begin" | "body" | "commit";

/** A transaction failed; `phase` says how far it came. */
export class TransactionError extends Error {
  readonly phase: TransactionPhase;

  constructor(phase: TransactionPhase, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.phase = phase;
  }
}

/**
 * Runs `write` with the write lock of all processes and returns when its changes are on disk.
 *
 * @throws TransactionError when nothing was written, or perhaps (`phase` is `"commit"`).
 */
export function transaction<T extends object>({ root }: Tables, write: () => T): T {
  let phase: TransactionPhase = "begin";
  let result: T | undefined;
  try {
    insideExitGate(() =>
      root.transactionSync(() => {
        // The binding ignores a failure to begin, and goes on without a transaction.
        if (root.getWriteTxnId() === 0) throw new Error("LMDB could not begin a transaction");
        phase = "body";
        result = write();
        phase = "commit";
      }),
    );
  } catch (error) {
    throw new TransactionError(phase, error);
  }
  return result as T;
}

/** Whether LMDB refuses all further writes of this process, because one failed half-way. */
export function isBroken(tables: Tables): boolean {
  try {
    transaction(tables, () => ({}));
    return false;
  } catch {
    return true;
  }
}
