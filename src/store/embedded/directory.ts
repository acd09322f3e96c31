import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";
import type { RootDatabase } from "lmdb";
import type { Random } from "../../base/random.ts";
import { StoreRefusedError } from "../store-errors.ts";
import { requireSound, requireWhole } from "./damage.ts";
import { NOTICE_FILE } from "./notice.ts";
import {
  DATA_FILE,
  LOCK_FILE,
  META,
  openRoot,
  openTables,
  snapshot,
  type Tables,
  transaction,
} from "./tables.ts";

/** The version of the tables and their records. */
const FORMAT_VERSION = 1;

const FORMAT_NAME = "etask embedded store";

/**
 * Begins the name of a file that is there for a moment, or forgotten by a process that died then.
 */
const ROOM_FILE = "etask.room-";

/** What a new store needs at once: the lock file and a few pages. */
const ROOM_BYTES = 131_072;

/**
 * Opens the store's tables in a directory, making both when they are missing.
 *
 * A directory that is not ours is not touched. Ours are empty ones, and those that hold our files:
 * a process may have died, or be at this moment, between making them.
 *
 * @throws StoreRefusedError (`STORE_REFUSED`) saying what is wrong and what to do.
 */
export function openDirectory(directory: string, random: Random): Tables {
  const made = prepareDirectory(directory);
  requireSound(join(directory, DATA_FILE));
  refusing(directory, () => requireRoom(directory));
  const root = refusing(directory, () => openRoot(directory));
  try {
    requireOurs(directory, root);
    const tables = refusing(directory, () => openTables(directory, root));
    snapshot(tables, () => requireWhole(tables));
    requireFormat(directory, tables, random);
    if (made) [directory, dirname(directory)].forEach(syncDirectory);
    return tables;
  } catch (error) {
    void root.close();
    throw error;
  }
}

/** Whether it made the directory or its first file, which must outlive a power failure then. */
function prepareDirectory(directory: string): boolean {
  return refusing(directory, () => {
    makeDirectory(directory);
    const files = readdirSync(directory);
    const ours = [DATA_FILE, LOCK_FILE, NOTICE_FILE];
    const foreign = files.find((file) => !ours.includes(file) && !file.startsWith(ROOM_FILE));
    if (foreign !== undefined && !files.includes(DATA_FILE)) {
      throw new StoreRefusedError(
        `${directory} holds other files (${foreign}) and no etask store. ` +
          "Give the store a directory of its own.",
      );
    }
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const file of files.filter((file) => ours.includes(file))) {
      accessSync(join(directory, file), constants.R_OK | constants.W_OK);
    }
    return !files.includes(DATA_FILE);
  });
}

/**
 * Makes a directory and those above it. Node's own way never returns where the system makes none,
 * as under `/proc`.
 */
function makeDirectory(directory: string): void {
  const above = dirname(directory);
  if (above !== directory && !existsSync(above)) makeDirectory(above);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/**
 * LMDB maps its lock file into memory, and the system ends a process that touches a page of it for
 * which the disk has no room. So where there is no lock file yet, it is seen to that there is.
 */
function requireRoom(directory: string): void {
  const lock = statSync(join(directory, LOCK_FILE), { throwIfNoEntry: false });
  if (lock !== undefined && lock.blocks > 0) return;
  const path = join(directory, `${ROOM_FILE}${process.pid}-${threadId}`);
  const file = openSync(path, "wx", 0o600);
  try {
    unlinkSync(path);
    for (let left = ROOM_BYTES; left > 0; ) left -= writeSync(file, Buffer.alloc(left));
  } finally {
    closeSync(file);
  }
}

/** LMDB's own directory of tables tells whether the file is ours, before anything is written. */
function requireOurs(directory: string, root: RootDatabase<Buffer, string>): void {
  const names = [...root.getKeys({ start: " " })];
  const ours = names.some((name) => name.replace(/\0$/, "") === "meta");
  if (names.length === 0 || ours) return;
  throw new StoreRefusedError(
    `${join(directory, DATA_FILE)} is an LMDB file of another program. ` +
      "Give the store a directory of its own.",
  );
}

/** What {@link META.format} holds. The id tells stores apart; a copy has the same one. */
interface Format {
  readonly name: string;
  readonly version: number;
  readonly id: string;
}

function requireFormat(directory: string, tables: Tables, random: Random): void {
  const { meta } = tables;
  if (snapshot(tables, () => meta.get(META.format)) === undefined) {
    const format: Format = { name: FORMAT_NAME, version: FORMAT_VERSION, id: random.hex(16) };
    const write = () => {
      if (meta.get(META.format) === undefined) {
        meta.putSync(META.format, Buffer.from(JSON.stringify(format)));
      }
      return format;
    };
    refusing(directory, () => transaction(tables, write));
  }
  const format = parseFormat(snapshot(tables, () => meta.get(META.format)));
  if (format?.name !== FORMAT_NAME) {
    throw new StoreRefusedError(`${directory} does not hold an etask store, or it is damaged.`);
  }
  if (format.version === FORMAT_VERSION) return;
  throw new StoreRefusedError(
    `${directory} was written by another version of etask (format ${format.version}; this one ` +
      `knows ${FORMAT_VERSION}). Use a version of etask that knows it.`,
  );
}

function parseFormat(record: Buffer | undefined): Partial<Format> | undefined {
  try {
    return JSON.parse(String(record)) as Partial<Format>;
  } catch {
    return undefined;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "is a file. Name a directory",
  ENOTDIR: "lies below a file. Name a directory",
  EACCES: "may not be written. Change its permissions, or run as its owner",
  EPERM: "may not be written. Change its permissions, or run as its owner",
  EROFS: "is on a read-only file system. Name a directory that can be written",
  ENOSPC: "is on a full disk. Free some space",
  EDQUOT: "is on a full disk. Free some space",
  EFBIG: "may not hold files large enough. Raise the limit of the system",
};

/** Turns errors of the system and of LMDB into refusals. */
function refusing<T>(directory: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof StoreRefusedError) throw error;
    const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
    const reason = REASONS[String(code)];
    const what = error instanceof Error ? error.message : String(error);
    throw new StoreRefusedError(
      reason === undefined
        ? `The embedded store in ${directory} cannot be opened: ${what}.`
        : `${directory} ${reason}. (${what})`,
      { cause: error },
    );
  }
}

/** Makes the names in a directory durable, where the system can do that. */
function syncDirectory(directory: string): void {
  if (process.platform === "win32" || !statSync(directory).isDirectory()) return;
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
