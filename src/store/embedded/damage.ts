import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { StoreRefusedError } from "../store-errors.ts";
import { decodeNumber, encodeNumber } from "./records.ts";
import { DATA_FILE, META, type Tables } from "./tables.ts";

/**
 * A look at the data file before LMDB gets it: LMDB maps it and believes what it finds, so a file
 * of something else, or one that was cut off, would end the process with a signal and no word.
 *
 * Checked is what is certain: the marks of both head pages, and that the pages which the newest one
 * names, the roots of all trees, lie within the file. A file of another LMDB format is left to
 * LMDB.
 *
 * Once the tables can be read, the file is compared with the size that it is known to have had: it
 * never shrinks. (LMDB's own last page is no measure: free pages at the end may never be written.)
 *
 * Another process may write at the same moment, so a page may be a newer one by the time it is
 * read. A file is damaged when it looks so several times.
 */

const LOOKS_MAX = 5;

const HEAD_AT = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE_FLAGS_AT = 18;
const PAGE_LOWER_AT = 20;
const META_PAGE = 0x08;
const LEAF_PAGE = 0x02;
const SUB_TREE = 0x02;
const NO_PAGE = 2n ** 64n - 1n;

/** Where the fields of a head page are, from the page's start. */
const HEAD = { version: 28, pageSize: 48, freeRoot: 88, mainRoot: 136, transaction: 152, end: 160 };

/** Where the root's page number is in the record of a tree. */
const TREE_ROOT_AT = 40;

/**
 * @throws StoreRefusedError (`STORE_REFUSED`) unless the file is missing, empty, or looks sound.
 */
export function requireSound(path: string): void {
  // The fields are in the machine's byte order; machines of the other one are left to LMDB.
  if (endianness() !== "LE") return;
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return;
    throw new StoreRefusedError(`${path} cannot be read.`, { cause: error });
  }
  try {
    for (let looks = 1; ; looks++) {
      const problem = problemOf(file);
      if (problem === undefined) return;
      if (looks === LOOKS_MAX) throw damaged(path, problem);
    }
  } finally {
    closeSync(file);
  }
}

/** Notes the size of the file, if it has grown. To be called within a transaction. */
export function noteSize({ directory, meta }: Tables): void {
  const { size } = statSync(join(directory, DATA_FILE));
  if (size > decodeNumber(meta.get(META.size))) meta.putSync(META.size, encodeNumber(size));
}

/**
 * To be called within a snapshot.
 *
 * @throws StoreRefusedError (`STORE_REFUSED`) when the file is shorter than it was.
 */
export function requireWhole({ directory, meta }: Tables): void {
  const path = join(directory, DATA_FILE);
  if (statSync(path).size < decodeNumber(meta.get(META.size)))
    throw damaged(path, "its end is missing");
}

function damaged(path: string, problem: string): StoreRefusedError {
  return new StoreRefusedError(
    `${path} is damaged or not an etask store: ${problem}. Restore it from a backup, or move it ` +
      "away to start with an empty store.",
  );
}

function problemOf(file: number): string | undefined {
  try {
    return findProblem(file, fstatSync(file).size);
  } catch (error) {
    if (error instanceof RangeError) return "its tables cannot be read";
    throw error;
  }
}

function findProblem(file: number, size: number): string | undefined {
  if (size === 0) return undefined;
  const first = readAt(file, 0, HEAD.end);
  if (first === undefined || !isHead(first)) return "it does not begin as one";
  if (first.readUInt16LE(HEAD.version) !== DATA_VERSION) return undefined;
  const pageSize = first.readUInt32LE(HEAD.pageSize);
  if (pageSize < 256 || pageSize > 65_536) return "its page size is impossible";
  const second = readAt(file, pageSize, HEAD.end);
  if (second === undefined || !isHead(second)) return "its second page is not what it should be";
  const newest =
    second.readBigUInt64LE(HEAD.transaction) > first.readBigUInt64LE(HEAD.transaction)
      ? second
      : first;
  const main = newest.readBigUInt64LE(HEAD.mainRoot);
  const roots = [newest.readBigUInt64LE(HEAD.freeRoot), main, ...treeRoots(file, main, pageSize)];
  const cut = roots.some(
    (root) => root !== NO_PAGE && (root + 1n) * BigInt(pageSize) > BigInt(size),
  );
  return cut ? "its end is missing" : undefined;
}

function isHead(page: Buffer): boolean {
  const flags = page.readUInt16LE(PAGE_FLAGS_AT);
  return (flags & META_PAGE) !== 0 && page.readUInt32LE(HEAD_AT) === MAGIC;
}

/** The roots of the tables, which the main tree's only page names. */
function treeRoots(file: number, main: bigint, pageSize: number): bigint[] {
  const page = main === NO_PAGE ? undefined : readAt(file, Number(main) * pageSize, pageSize);
  if (page === undefined || (page.readUInt16LE(PAGE_FLAGS_AT) & LEAF_PAGE) === 0) return [];
  const roots: bigint[] = [];
  const count = page.readUInt16LE(PAGE_LOWER_AT) / 2;
  for (let index = 0; index < count; index++) {
    const at = HEAD_AT + page.readUInt16LE(HEAD_AT + 2 * index);
    const isTree = (page.readUInt16LE(at + 4) & SUB_TREE) !== 0;
    const dataAt = at + 8 + page.readUInt16LE(at + 6);
    if (isTree) roots.push(page.readBigUInt64LE(dataAt + TREE_ROOT_AT));
  }
  return roots;
}

function readAt(file: number, at: number, length: number): Buffer | undefined {
  const bytes = Buffer.alloc(length);
  return readSync(file, bytes, 0, length, at) === length ? bytes : undefined;
}
