import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../../scripts/etcd.mjs";
import type { Servers } from "../contender.ts";
import { findProgram, startServer } from "./server-process.ts";

/** `always`: every write is on disk before it is answered; `none`: nothing is ever on disk. */
export type RedisDurability = "always" | "none";

/** What to do when there is no redis-server; `undefined` when there is. */
export async function missingRedis(): Promise<string | undefined> {
  if (await findProgram("redis-server")) return undefined;
  return "redis-server is not in PATH; apt-get install redis-server";
}

/** The version of redis-server. */
export async function redisVersion(): Promise<string> {
  const { stdout } = await promisify(execFile)("redis-server", ["--version"]);
  return `Redis ${/v=(\S+)/.exec(stdout)?.[1] ?? "of an unknown version"}`;
}

/** Starts a Redis on a free port. */
export async function startRedis(durability: RedisDurability): Promise<Servers> {
  const directory = await mkdtemp(join(tmpdir(), "etask-bench-redis-"));
  const port = await freePort();
  const file = (await findProgram("redis-server")) ?? "redis-server";
  const onDisk = durability === "always";
  const args = [
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", directory, "--save", ""],
    ...["--appendonly", onDisk ? "yes" : "no", "--appendfsync", "always"],
    ...["--maxmemory-policy", "noeviction", "--daemonize", "no"],
  ];
  const server = await startServer({ file, args, port, directory });
  return {
    connection: { host: "127.0.0.1", port },
    pids: [server.pid],
    async [Symbol.asyncDispose]() {
      // Nobody wants its data: it must not save them first.
      await server.stop("SIGKILL");
      await rm(directory, { recursive: true, force: true });
    },
  };
}
