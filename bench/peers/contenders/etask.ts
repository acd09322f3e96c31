import { channel } from "node:diagnostics_channel";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp, defineTask } from "etask";
import { findEtcd } from "../../../scripts/etcd.mjs";
import { startEtcd, startEtcdCluster } from "../../../test/support/etcd-server.ts";
import {
  type Client,
  CONCURRENCY,
  type Connection,
  type Contender,
  type Destination,
  type Job,
  type Servers,
  type Work,
} from "../contender.ts";
import { nodeProgram } from "../node-program.ts";

const GIB = 1024 ** 3;
/** Room for a backlog of a million; the largest that etcd recommends. */
const QUOTA_BYTES = 8 * GIB;
const RESULT_MS_MAX = 60_000;

const common = {
  program: nodeProgram("etask"),
  concurrency: CONCURRENCY,
  cannot: {},
  missing: async () => undefined,
};

const ONE_PROCESS = "producer and worker are one process";

/** etask on its two stores. */
export const etaskContenders: readonly Contender[] = [
  {
    ...common,
    name: "etask-etcd",
    title: "etask, etcd, one member",
    configuration: "createApp with its defaults; etcd 3.5 with its defaults and a quota of 8 GiB.",
    missing: missingEtcd,
    versions: etcdVersions,
    start: () => startEtcdServers(1),
  },
  {
    ...common,
    name: "etask-etcd-3",
    title: "etask, etcd, three members",
    configuration:
      "The same on a cluster of three members on the one machine and disk; the client knows all.",
    missing: missingEtcd,
    versions: etcdVersions,
    start: () => startEtcdServers(3),
  },
  {
    ...common,
    name: "etask-embedded-1",
    title: "etask, embedded, one process",
    configuration: "createApp with an embedded store; one process enqueues and works.",
    oneProcess: true,
    cannot: { "workers-2": ONE_PROCESS, "workers-4": ONE_PROCESS, "workers-8": ONE_PROCESS },
    versions: async () => [await etaskVersion()],
    start: startEmbedded,
  },
  {
    ...common,
    name: "etask-embedded",
    title: "etask, embedded, apart",
    configuration: "createApp with an embedded store; producer and workers are processes apart.",
    versions: async () => [await etaskVersion()],
    start: startEmbedded,
  },
];

async function etaskVersion(): Promise<string> {
  const text = await readFile(new URL("../../../package.json", import.meta.url), "utf8");
  return `etask ${(JSON.parse(text) as { version: string }).version}`;
}

async function etcdVersions(): Promise<readonly string[]> {
  return [await etaskVersion(), `etcd ${(await findEtcd("3.5")).version}`];
}

/** What to do when there is no etcd; `undefined` when there is. */
export async function missingEtcd(): Promise<string | undefined> {
  return findEtcd("3.5").then(
    () => undefined,
    (error: Error) => error.message.split("\n")[0],
  );
}

/** Starts an etcd with so many members, with settings that suit every contender on etcd. */
export async function startEtcdServers(members: number): Promise<Servers> {
  const options = { line: "3.5", quotaBytes: QUOTA_BYTES } as const;
  if (members === 1) {
    const server = await startEtcd(options);
    return {
      connection: { url: server.url, port: server.endpoint.port },
      pids: [server.pid],
      [Symbol.asyncDispose]: () => server.stop(),
    };
  }
  const cluster = await startEtcdCluster(members, options);
  return {
    connection: { url: cluster.url },
    pids: cluster.members.map(({ pid }) => pid),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

async function startEmbedded(): Promise<Servers> {
  const directory = await mkdtemp(join(tmpdir(), "etask-bench-embedded-"));
  return {
    connection: { url: `embedded:${directory}/store` },
    pids: [],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The client of `program.ts`. */
export async function open(connection: Connection): Promise<Client> {
  const jobs = new Map<string, Work["run"]>();
  const task = defineTask({
    name: "bench.peer",
    run: (job: Job, context) =>
      jobs.get(context.queue)?.(job, (percent) => context.progress(percent)),
  });
  const app = await createApp({ store: String(connection.url), tasks: [task] });
  return {
    enqueue: (job, to) => task.delay(job, optionsOf(to)),
    enqueueMany: (many, to) => task.delayMany([...many], optionsOf(to)),
    call: async (job, to) => {
      const handle = await task.delay(job, optionsOf(to));
      return handle.result({ timeout: RESULT_MS_MAX });
    },
    work: async ({ queue, concurrency, run, finished }) => {
      jobs.set(queue, run);
      const ended = () => finished(1);
      channel("etask:task:finished").subscribe(ended);
      const worker = app.createWorker({ queues: [queue], concurrency });
      await worker.start();
      return async () => {
        await worker.stop();
        channel("etask:task:finished").unsubscribe(ended);
      };
    },
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

function optionsOf({ queue, delayMs }: Destination) {
  return delayMs === undefined ? { queue } : { queue, in: delayMs };
}
