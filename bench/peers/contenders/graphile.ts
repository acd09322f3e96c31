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

/** What is used of graphile-worker. */
interface Graphile {
  makeWorkerUtils(options: object): Promise<WorkerUtils>;
  run(options: object): Promise<Runner>;
  readonly Logger: new (factory: () => () => void) => object;
}

interface WorkerUtils {
  migrate(): Promise<void>;
  addJob(task: string, payload: Job, spec: object): Promise<unknown>;
  addJobs(specs: readonly object[]): Promise<unknown>;
  release(): Promise<void>;
}

interface Runner {
  readonly events: { on(event: "job:complete", listener: () => void): void };
  stop(): Promise<void>;
}

const LOCAL_QUEUE = 500;

const common = {
  program: nodeProgram("graphile"),
  concurrency: CONCURRENCY,
  cannot: {
    progress: "it has no progress",
    awaiting: "it keeps no results",
  },
  missing: missingPostgres,
  versions: async () => [
    await peerVersion("graphile-worker"),
    await peerVersion("pg"),
    await postgresVersion(),
  ],
};

/** graphile-worker, as it comes and as its docs tune it. */
export const graphileContenders: readonly Contender[] = [
  {
    ...common,
    name: "graphile",
    title: "graphile-worker, default",
    configuration: "Defaults besides the concurrency: a pool of 10, no local queue, no batches.",
    start: () => startTuned(false),
  },
  {
    ...common,
    name: "graphile-tuned",
    title: "graphile-worker, tuned",
    configuration:
      `localQueue.size ${LOCAL_QUEUE}, completeJobBatchDelay 0, failJobBatchDelay 0, else as ` +
      "above. A worker that dies keeps up to 500 tasks locked for 4 hours.",
    start: () => startTuned(true),
  },
];

async function startTuned(tuned: boolean) {
  const servers = await startPostgres();
  return { ...servers, connection: { ...servers.connection, tuned } };
}

/** The client of `program.ts`. */
export async function open({ url, tuned }: Connection): Promise<Client> {
  const { makeWorkerUtils, run, Logger } = (await importPeer("graphile-worker")) as Graphile;
  const logger = new Logger(() => () => {});
  const connectionString = String(url);
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  return {
    enqueue: (job, to) => utils.addJob(to.queue, job, specOf(to)),
    enqueueMany: (jobs, to) =>
      utils.addJobs(jobs.map((payload) => ({ ...specOf(to), identifier: to.queue, payload }))),
    work: async (work) => {
      const handler = (payload: unknown) => work.run(payload as Job, () => {});
      const runner = await run({
        connectionString,
        logger,
        noHandleSignals: true,
        concurrency: work.concurrency,
        taskList: { [work.queue]: handler },
        ...(tuned === true && { preset: { worker: tunedFor() } }),
      });
      runner.events.on("job:complete", () => work.finished(1));
      return () => runner.stop();
    },
    [Symbol.asyncDispose]: () => utils.release(),
  };
}

function tunedFor() {
  return {
    localQueue: { size: LOCAL_QUEUE },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  };
}

function specOf({ delayMs }: Destination): object {
  return delayMs === undefined ? {} : { runAt: new Date(Date.now() + delayMs) };
}
