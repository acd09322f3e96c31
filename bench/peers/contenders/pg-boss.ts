import {
  type Client,
  CONCURRENCY,
  type Connection,
  type Contender,
  type Destination,
  type Job,
} from "../contender.ts";
import { nodeProgram } from "../node-program.ts";
import { importPeer, peerVersion } from "../packages/import-peer.ts";
import { missingPostgres, postgresVersion, startPostgres } from "../servers/postgres.ts";

/** What is used of pg-boss. */
interface PgBossModule {
  readonly PgBoss: new (options: object) => PgBoss;
}

interface PgBoss {
  on(event: "error", listener: (error: unknown) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options: object): Promise<void>;
  send(name: string, data: Job, options: object): Promise<unknown>;
  insert(name: string, jobs: readonly object[]): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly { readonly data: Job }[]) => Promise<void>,
  ): Promise<string>;
  offWork(name: string): Promise<void>;
}

/** The largest batch that one of its workers fetches at once. */
const BATCH_MAX = 100;
const POLL_SECONDS = 0.5;

/** pg-boss, in batches. */
export const pgBossContenders: readonly Contender[] = [
  {
    name: "pg-boss",
    title: "pg-boss",
    configuration:
      "work() with batchSize of the concurrency (at most 100, then localConcurrency), " +
      "burstWhenBatchFull, LISTEN/NOTIFY on, polling every 0.5 s, the shortest it allows. " +
      "A batch is complete when its slowest task is.",
    program: nodeProgram("pg-boss"),
    concurrency: CONCURRENCY,
    cannot: {
      progress: "it has no progress",
      awaiting: "it cannot wait for a result",
    },
    missing: missingPostgres,
    versions: async () => [await peerVersion("pg-boss"), await postgresVersion()],
    start: startPostgres,
  },
];

/** The client of `program.ts`. */
export async function open({ url }: Connection): Promise<Client> {
  const { PgBoss } = (await importPeer("pg-boss")) as PgBossModule;
  const boss = new PgBoss({ connectionString: String(url), useListenNotify: true });
  boss.on("error", () => {});
  await boss.start();
  return {
    prepare: (queue) => boss.createQueue(queue, { notify: true }),
    enqueue: (job, to) => boss.send(to.queue, job, startOf(to)),
    enqueueMany: (jobs, to) =>
      boss.insert(
        to.queue,
        jobs.map((data) => ({ data, ...startOf(to) })),
      ),
    work: async ({ queue, concurrency, run, finished }) => {
      const batchSize = Math.min(concurrency, BATCH_MAX);
      const options = {
        batchSize,
        localConcurrency: Math.ceil(concurrency / batchSize),
        burstWhenBatchFull: true,
        pollingIntervalSeconds: POLL_SECONDS,
        notifyPollingIntervalSeconds: POLL_SECONDS,
      };
      await boss.work(queue, options, async (jobs) => {
        await Promise.all(jobs.map(({ data }) => run(data, () => {})));
        finished(jobs.length);
      });
      return () => boss.offWork(queue);
    },
    [Symbol.asyncDispose]: () => boss.stop({ graceful: false }),
  };
}

function startOf({ delayMs }: Destination): object {
  return delayMs === undefined ? {} : { startAfter: new Date(Date.now() + delayMs) };
}
