/** The run's other processes. None outlives the run: they end when their channel to it closes. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** How long a dead agent is still believed alive. */
export const LEASE_MS = 5_000;

/** What an agent process is told when it is to begin. */
export interface AgentBegin {
  readonly name: string;
  /** `host:port`; port 0 takes any that is free. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What a process says. */
export interface Told {
  /** It is there, and works when it has something to do. */
  readonly ready?: true;
  /** Where an agent is called. */
  readonly serving?: string;
  /** A handler began or ended to format a disk, and why it had to end. */
  readonly begun?: string;
  readonly fence?: number;
  readonly ended?: string;
  readonly reason?: string | undefined;
}

/** Says something to the process that began this one. */
export function tell(told: Told): void {
  process.send?.(told);
}

/** A process that runs one of the files beside this one. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #told: Told[] = [];
  readonly #looks = new Set<() => void>();
  #over = false;

  constructor(file: string, env: Readonly<Record<string, string>>, hear: (told: Told) => void) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), {
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", (message) => {
      const told = message as Told;
      this.#told.push(told);
      hear(told);
      for (const look of this.#looks) look();
    });
    this.#process.once("exit", () => {
      this.#over = true;
      for (const look of this.#looks) look();
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Waits until it has said something, and returns the first thing that fits. */
  async heard(fits: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const found = this.#told.find(fits);
      if (found) return found;
      if (this.#over) throw new Error("A process ended before it had said what was awaited.");
      await new Promise<void>((resolve) => {
        const look = () => {
          this.#looks.delete(look);
          resolve();
        };
        this.#looks.add(look);
      });
    }
  }

  /** Tells an agent process to begin; resolves to the address at which it is called. */
  async serve(begin: AgentBegin): Promise<string> {
    this.#process.send(begin);
    const { serving = "" } = await this.heard(({ serving }) => serving !== undefined);
    return serving;
  }

  /** Ends it and waits for that. Nothing happens to a process that has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    this.#process.kill(signal);
    await once(this.#process, "exit");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end("SIGKILL");
  }
}
