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
import { missingRedis, redisVersion, startRedis } from "../servers/redis.ts";

/** What is used of BullMQ. */
interface BullMq {
  readonly Queue: new (name: string, options: object) => BullQueue;
  readonly Worker: new (
    name: string,
    run: (job: BullJob) => Promise<void>,
    options: object,
  ) => BullWorker;
  readonly QueueEvents: new (name: string, options: object) => BullEvents;
}

interface BullJob {
  readonly data: Job;
  updateProgress(percent: number): Promise<void>;
  waitUntilFinished(events: BullEvents, ttlMs: number): Promise<unknown>;
}

interface BullQueue {
  add(name: string, data: Job, options?: object): Promise<BullJob>;
  addBulk(jobs: readonly object[]): Promise<readonly BullJob[]>;
  close(): Promise<void>;
}

interface BullWorker {
  on(event: "completed" | "error", listener: () => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface BullEvents {
  setMaxListeners(count: number): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

type Redis = new (options: object) => { disconnect(): void };

const RESULT_MS_MAX = 60_000;

const common = {
  program: nodeProgram("bullmq"),
  concurrency: CONCURRENCY,
  cannot: {},
  missing: missingRedis,
  versions: async () => [
    await peerVersion("bullmq"),
    await peerVersion("ioredis"),
    await redisVersion(),
  ],
};

const CONFIGURATION =
  "Defaults; one ioredis connection for each queue, one more for each worker, as its docs say; " +
  "ended jobs are kept (removing them costs more). ";

/** BullMQ, durable and not. */
export const bullMqContenders: readonly Contender[] = [
  {
    ...common,
    name: "bullmq-aof",
    title: "BullMQ, Redis, AOF always",
    configuration: `${CONFIGURATION}Redis: appendonly yes, appendfsync always, save "".`,
    start: () => startRedis("always"),
  },
  {
    ...common,
    name: "bullmq-none",
    title: "BullMQ, Redis, nothing on disk",
    configuration: `${CONFIGURATION}Redis: appendonly no, save "". A crash loses all tasks.`,
    start: () => startRedis("none"),
  },
];

/** The client of `program.ts`. */
export async function open(connection: Connection): Promise<Client> {
  const { Queue, Worker, QueueEvents } = (await importPeer("bullmq")) as BullMq;
  const { Redis } = (await importPeer("ioredis")) as { readonly Redis: Redis };
  // Asked for by workers; harmless for the others.
  const connect = () => new Redis({ ...connection, maxRetriesPerRequest: null });
  const queues = new Map<string, BullQueue>();
  const events = new Map<string, Promise<BullEvents>>();
  const queueOf = (name: string) => {
    const queue = queues.get(name) ?? new Queue(name, { connection: connect() });
    queues.set(name, queue);
    return queue;
  };
  const eventsOf = (name: string) => {
    const known = events.get(name) ?? openEvents(name);
    events.set(name, known);
    return known;
  };
  const openEvents = async (name: string) => {
    const opened = new QueueEvents(name, { connection: connect() });
    opened.setMaxListeners(0);
    await opened.waitUntilReady();
    return opened;
  };
  return {
    prepare: eventsOf,
    enqueue: (job, to) => queueOf(to.queue).add("task", job, optionsOf(to)),
    enqueueMany: (jobs, to) =>
      queueOf(to.queue).addBulk(jobs.map((data) => ({ name: "task", data, opts: optionsOf(to) }))),
    call: async (job, to) => {
      const waiter = await eventsOf(to.queue);
      const added = await queueOf(to.queue).add("task", job, optionsOf(to));
      return added.waitUntilFinished(waiter, RESULT_MS_MAX);
    },
    work: async ({ queue, concurrency, run, finished }) => {
      const work = async (job: BullJob) => run(job.data, (percent) => job.updateProgress(percent));
      const worker = new Worker(queue, work, { connection: connect(), concurrency });
      worker.on("completed", () => finished(1));
      worker.on("error", () => {});
      await worker.waitUntilReady();
      return () => worker.close();
    },
    async [Symbol.asyncDispose]() {
      for (const opened of events.values()) await (await opened).close();
      for (const queue of queues.values()) await queue.close();
    },
  };
}

function optionsOf({ delayMs }: Destination): object {
  return delayMs === undefined ? {} : { delay: delayMs };
}
