/** What a program needs to reach the servers of its contender; travels as JSON. */
export type Connection = Readonly<Record<string, string | number | boolean>>;

/** The running servers of a contender, with their data in a directory that goes with them. */
export interface Servers extends AsyncDisposable {
  readonly connection: Connection;
  /** The processes whose costs are the server's, each with all its descendants. */
  readonly pids: readonly number[];
}

/** How to start a program that produces or works; it speaks `protocol.ts`. */
export interface ProgramCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** One queue in one configuration, as the process that measures sees it. */
export interface Contender {
  readonly name: string;
  readonly title: string;
  /** Its settings, for whoever reads the results. */
  readonly configuration: string;
  readonly program: ProgramCommand;
  /** Producer and worker are one process. */
  readonly oneProcess?: true;
  /** It is the limit that others are held against, not a queue. */
  readonly raw?: true;
  /** Tasks at once in one worker where a scenario does not say; see {@link CONCURRENCY}. */
  readonly concurrency: number;
  /** Why it cannot take part, by the name of a scenario or the key of one of its variants. */
  readonly cannot: Readonly<Record<string, string>>;
  /** The program that is not installed, and what to do; `undefined` when all is there. */
  missing(): Promise<string | undefined>;
  /** Its version and its server's, for the results. */
  versions(): Promise<readonly string[]>;
  start(): Promise<Servers>;
}

/** Tasks at once in one worker, for contenders that have no reason for another figure. */
export const CONCURRENCY = 100;

/** The input of every task. */
export interface Job {
  readonly payload: string;
  /** When it was enqueued, in ms by the machine's clock; its start is then timed. */
  readonly at?: number;
  /** It runs for so long and reports its progress meanwhile. */
  readonly progress?: { readonly forMs: number; readonly everyMs: number };
}

/** Where a job goes. */
export interface Destination {
  readonly queue: string;
  /** It must not start before so many ms from now. */
  readonly delayMs?: number;
}

/** How a client works. */
export interface Work {
  readonly queue: string;
  readonly concurrency: number;
  /** The handler; `report` writes a progress of 0 to 100. */
  run(job: Job, report: (percent: number) => unknown): void | Promise<void>;
  /** To be called when the queue says that so many more have ended. */
  finished(count: number): void;
}

/** A contender as its producers and workers see it. Modules export `open(connection)`. */
export interface Client extends AsyncDisposable {
  /** Resolves when the task is as durable as this contender makes it. */
  enqueue(job: Job, to: Destination): Promise<unknown>;
  enqueueMany(jobs: readonly Job[], to: Destination): Promise<unknown>;
  /** Enqueues, and resolves when the producer has the result. */
  call?(job: Job, to: Destination): Promise<unknown>;
  /** Resolves to what stops it, when it is ready to work. */
  work(work: Work): Promise<() => Promise<void>>;
  /** Prepares a queue, where that is a step of its own. */
  prepare?(queue: string): Promise<unknown>;
}
