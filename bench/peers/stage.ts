import type { Contender, Servers } from "./contender.ts";
import type { Figures } from "./figures.ts";
import { ProgramProcess } from "./program-process.ts";
import type { WorkReply } from "./protocol.ts";
import type { Sizes } from "./sizes.ts";
import { peakBytes, resetPeaks, usageBetween, usageOf } from "./usage.ts";

const MIB = 1024 ** 2;
const OPEN_MS_MAX = 60_000;
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 60_000;

/** What a command may take beyond the time that it is told to use. */
export const SLACK_MS = 60_000;

/** Tasks that are enqueued before anything is timed. */
const WARM_UP = { count: 500, forMs: 500 };

/** Who works, on what, and for how long at most. */
export interface Drain {
  readonly queue: string;
  readonly workers?: number;
  readonly concurrency?: number;
  /** Stop after so many. */
  readonly count: number;
  readonly forMs: number;
}

/** What is known of a contender from the scenarios of this round that came before. */
export interface Rates {
  singles?: number;
  drain?: number;
}

/**
 * The servers of a contender and the programs of one scenario on them. Programs are started when
 * they are needed and live as long as the scenario.
 */
export class Stage implements AsyncDisposable {
  readonly contender: Contender;
  readonly sizes: Sizes;
  readonly rates: Rates;
  readonly #servers: Servers;
  readonly #programs: ProgramProcess[] = [];
  #producer: Promise<ProgramProcess> | undefined;
  readonly #workers: Promise<ProgramProcess>[] = [];

  constructor(contender: Contender, servers: Servers, sizes: Sizes, rates: Rates) {
    this.contender = contender;
    this.sizes = sizes;
    this.rates = rates;
    this.#servers = servers;
  }

  /** The program that produces. */
  producer(): Promise<ProgramProcess> {
    this.#producer ??= this.#start();
    return this.#producer;
  }

  /** A queue that nobody has used yet, known to the producer. */
  async queue(name: string): Promise<string> {
    const producer = await this.producer();
    await producer.ask("prepare", { queue: name }, SLACK_MS);
    return name;
  }

  /** Lets the producer become as fast as it gets. */
  async warmUp(bytes: number): Promise<void> {
    const producer = await this.producer();
    const queue = await this.queue("warm");
    await producer.ask("enqueue", { queue, bytes, inFlight: 100, ...WARM_UP }, SLACK_MS);
  }

  /**
   * Programs that are going to work; the producer itself where that is one process. Those that were
   * asked for before are the same; asked for together with the producer, they start beside it.
   */
  async workers(count = 1): Promise<readonly ProgramProcess[]> {
    if (this.contender.oneProcess) return [await this.producer()];
    while (this.#workers.length < count) this.#workers.push(this.#start());
    return Promise.all(this.#workers.slice(0, count));
  }

  /** Lets workers work until `count` tasks have ended or the time is over, and stops them. */
  async drain(drain: Drain): Promise<Figures & { readonly replies: readonly WorkReply[] }> {
    const { queue, count, forMs, concurrency = this.contender.concurrency } = drain;
    const workers = await this.workers(drain.workers);
    for (const worker of workers) worker.finished = 0;
    await Promise.all(
      workers.map((worker) => worker.ask("work", { queue, concurrency }, START_MS_MAX)),
    );
    // Not before: what it costs to start a worker is not a cost of its tasks.
    const before = await this.#usage(workers);
    await this.#finished(workers, count, forMs);
    const after = await this.#usage(workers);
    const counted = workers.reduce((sum, { finished }) => sum + finished, 0);
    const peaks = await this.#peaks(workers);
    const replies = await this.stop(workers);
    const worked = replies.filter(({ finished }) => finished > 0);
    const finished = worked.reduce((sum, reply) => sum + reply.finished, 0);
    const firstAt = Math.min(...worked.map((reply) => reply.firstAt));
    const lastAt = Math.max(...worked.map((reply) => reply.lastAt));
    if (finished === 0) throw new Error(`Nothing ended within ${forMs} ms.`);
    const costs = costsOf(before, after, Math.max(1, counted));
    return { replies, rate: (finished * 1_000) / (lastAt - firstAt), ...costs, ...peaks };
  }

  /** Stops workers and tells what they did. */
  stop(workers: readonly ProgramProcess[]): Promise<readonly WorkReply[]> {
    return Promise.all(workers.map((worker) => worker.ask("stop", {}, STOP_MS_MAX)));
  }

  /** What `action` costs for each of the tasks that it says it has dealt with. */
  async measure(
    programs: readonly ProgramProcess[],
    action: () => Promise<number>,
  ): Promise<Figures> {
    const before = await this.#usage(programs);
    const count = await action();
    const after = await this.#usage(programs);
    return { ...costsOf(before, after, Math.max(1, count)), ...(await this.#peaks(programs)) };
  }

  /** Ends the programs of the scenario. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.end()));
  }

  async #start(): Promise<ProgramProcess> {
    const program = new ProgramProcess(this.contender.program);
    this.#programs.push(program);
    await program.ask("open", { connection: this.#servers.connection }, OPEN_MS_MAX);
    return program;
  }

  async #finished(workers: readonly ProgramProcess[], count: number, forMs: number): Promise<void> {
    const enough = () => workers.reduce((sum, { finished }) => sum + finished, 0) >= count;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        for (const end of ends) end();
        resolve();
      };
      const timer = setTimeout(done, forMs);
      const ends = workers.map((worker) =>
        worker.watch(() => {
          if (enough()) done();
        }),
      );
      if (enough()) done();
    });
  }

  async #usage(programs: readonly ProgramProcess[]) {
    const [client, server] = await Promise.all([
      usageOf(programs.map(({ pid }) => pid)),
      usageOf(this.#servers.pids),
    ]);
    return { client, server };
  }

  async #peaks(programs: readonly ProgramProcess[]): Promise<Figures> {
    const { pids } = this.#servers;
    const [client, server] = await Promise.all([
      peakBytes(programs.map(({ pid }) => pid)),
      peakBytes(pids),
    ]);
    await resetPeaks(pids);
    return { clientPeak: client / MIB, ...(pids.length > 0 && { serverPeak: server / MIB }) };
  }
}

type Costs = Record<"client" | "server", Awaited<ReturnType<typeof usageOf>>>;

function costsOf(before: Costs, after: Costs, count: number): Figures {
  const client = usageBetween(before.client, after.client);
  const server = usageBetween(before.server, after.server);
  return {
    clientCpu: (client.cpuSeconds * 1_000) / count,
    ...(server.cpuSeconds > 0 && { serverCpu: (server.cpuSeconds * 1_000) / count }),
    written: (client.writtenBytes + server.writtenBytes) / count,
  };
}
