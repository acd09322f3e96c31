import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { open as openLmdb } from "lmdb";
import type { Client, Connection, Contender, Servers } from "../contender.ts";
import { nodeProgram } from "../node-program.ts";
import { filled, filledBytes } from "./raw/mix.ts";
import { NOT_A_QUEUE } from "./raw/not-a-queue.ts";
import { createRawClient, type RawPart, type RawStore } from "./raw/raw-client.ts";

const MAP_BYTES = 2 ** 34;

/** Requests of one transaction in etask's embedded store. */
const PARTS_MAX = 512;

/** The same operations in an LMDB file, each commit on disk before it is answered. */
export const rawLmdbContenders: readonly Contender[] = [
  {
    name: "raw-lmdb",
    title: "raw LMDB, the same operations",
    configuration:
      "One table, one synchronous transaction for up to 512 parts, fsync at each; no history of " +
      "changes, so nothing could be watched.",
    program: nodeProgram("raw-lmdb"),
    // Not a number of handlers here, but what keeps its transactions full.
    concurrency: 2 * PARTS_MAX,
    raw: true,
    cannot: NOT_A_QUEUE,
    missing: async () => undefined,
    versions: async () => [await lmdbVersion()],
    start: startLmdb,
  },
];

async function lmdbVersion(): Promise<string> {
  const main = createRequire(import.meta.url).resolve("lmdb");
  const text = await readFile(join(dirname(main), "..", "package.json"), "utf8");
  return `lmdb ${(JSON.parse(text) as { version: string }).version}`;
}

async function startLmdb(): Promise<Servers> {
  const directory = await mkdtemp(join(tmpdir(), "etask-bench-lmdb-"));
  return {
    connection: { path: join(directory, "raw.mdb") },
    pids: [],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The client of `program.ts`. */
export async function open({ path }: Connection): Promise<Client> {
  const table = openLmdb<Buffer, string>({
    path: String(path),
    noSubdir: true,
    overlappingSync: false,
    encoding: "binary",
    mapSize: MAP_BYTES,
  });
  const holds = ({ template, id }: RawPart) =>
    template.guards.every(({ key, absent }) => table.doesExist(filled(key, id)) !== absent);
  const apply = (part: RawPart) => {
    if (!holds(part)) return false;
    const idBytes = Buffer.from(part.id);
    for (const { key, value } of part.template.writes) {
      if (value === undefined) table.removeSync(filled(key, part.id));
      else table.putSync(filled(key, part.id), Buffer.from(filledBytes(value, idBytes)));
    }
    return true;
  };
  const store: RawStore = {
    partsMax: PARTS_MAX,
    flightsMax: 1,
    commit: async (parts) => {
      const held: boolean[] = [];
      table.transactionSync(() => {
        for (const part of parts) held.push(apply(part));
      });
      // Otherwise a chain of commits would keep the event loop from everything else.
      await new Promise((resolve) => setImmediate(resolve));
      return held;
    },
    keys: async (prefix, after, limit) => {
      table.resetReadTxn();
      const range = { start: `${after}\0`, end: `${prefix}\x7f`, limit };
      return table.getRange(range).map(({ key }) => key).asArray;
    },
    close: () => table.close(),
  };
  return createRawClient(store);
}
