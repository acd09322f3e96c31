import { execFile } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../../scripts/etcd.mjs";
import type { Servers } from "../contender.ts";
import { findProgram, startServer, type User, unprivileged, versionsIn } from "./server-process.ts";

const run = promisify(execFile);

/**
 * What a careful operator sets on a machine with some memory: everything durable, checkpoints rare
 * and spread, memory for the working set. All else is PostgreSQL's default.
 */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "1GB",
  effective_cache_size: "3GB",
  work_mem: "16MB",
  maintenance_work_mem: "256MB",
  max_wal_size: "4GB",
  min_wal_size: "1GB",
  checkpoint_timeout: "15min",
  checkpoint_completion_target: "0.9",
  wal_compression: "on",
  random_page_cost: "1.1",
  effective_io_concurrency: "200",
  max_connections: "200",
};

/** What to do when there is no PostgreSQL; `undefined` when there is. */
export async function missingPostgres(): Promise<string | undefined> {
  const found = (await programOf("postgres")) && (await programOf("initdb"));
  if (!found) return "postgres and initdb are not there; apt-get install postgresql";
  return undefined;
}

/** The version of PostgreSQL. */
export async function postgresVersion(): Promise<string> {
  const { stdout } = await run((await programOf("postgres")) ?? "postgres", ["--version"]);
  return `PostgreSQL ${/\) (\S+)/.exec(stdout)?.[1] ?? "of an unknown version"}`;
}

/** Debian keeps the programs of each version in a folder of its own, out of PATH. */
async function programOf(name: string): Promise<string | undefined> {
  const versions = await versionsIn("/usr/lib/postgresql");
  return findProgram(
    name,
    versions.map((folder) => join(folder, "bin")),
  );
}

let template: Promise<string> | undefined;

/** Starts a PostgreSQL with a new cluster on a free port. */
export async function startPostgres(): Promise<Servers> {
  const user = await unprivileged("postgres", "nobody");
  template ??= makeTemplate(user);
  const directory = await ownDirectory(user);
  const data = join(directory, "data");
  await run("cp", ["-a", await template, data]);
  const port = await freePort();
  const server = await startServer({
    file: (await programOf("postgres")) ?? "postgres",
    args: ["-D", data, "-p", String(port), "-k", directory, "-h", "127.0.0.1"],
    port,
    directory,
    user,
  });
  return {
    connection: { url: `postgres://bench@127.0.0.1:${port}/postgres` },
    pids: [server.pid],
    async [Symbol.asyncDispose]() {
      // Immediate shutdown: nobody wants its data.
      await server.stop("SIGQUIT");
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Removes what was made once for all clusters. */
export async function clearPostgres(): Promise<void> {
  const made = await template?.catch(() => undefined);
  template = undefined;
  if (made !== undefined) await rm(join(made, ".."), { recursive: true, force: true });
}

/** A cluster that was initialized and never started; the others are copies of it. */
async function makeTemplate(user: User | undefined): Promise<string> {
  const directory = await ownDirectory(user);
  const data = join(directory, "data");
  const initdb = (await programOf("initdb")) ?? "initdb";
  const args = ["-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"];
  await run(initdb, args, { ...user, cwd: directory, timeout: 120_000 });
  const settings = Object.entries(POSTGRES_SETTINGS).map(([name, value]) => `${name} = '${value}'`);
  await writeFile(join(data, "postgresql.auto.conf"), `${settings.join("\n")}\n`);
  return data;
}

async function ownDirectory(user: User | undefined): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "etask-bench-pg-"));
  if (user) await chown(directory, user.uid, user.gid);
  return directory;
}
