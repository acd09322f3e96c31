import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { AppOptions, WorkerOptions } from "../../src/index.ts";

/** An event that a worker process published. */
export interface ChildEvent {
  readonly name: string;
  readonly event: Record<string, unknown>;
}

/** A worker in a process of its own, for tests that kill, freeze and block it. */
export class WorkerChild implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #seen: ChildEvent[] = [];
  #changed: () => void = () => {};
  #exited = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message) => {
      this.#seen.push(message as ChildEvent);
      this.#changed();
    });
    child.once("exit", () => {
      this.#exited = true;
      this.#changed();
    });
  }

  /** Starts the process and waits until its worker is registered. */
  static async start(
    store: string,
    options: WorkerOptions,
    appOptions: Pick<AppOptions, "beat"> = {},
    program = new URL("./worker-process.ts", import.meta.url),
  ): Promise<WorkerChild> {
    const args = [store, JSON.stringify(options), JSON.stringify(appOptions)];
    const child = new WorkerChild(fork(program, args, { execArgv: ["--import", "tsx"] }));
    await child.seen("etask:worker:started");
    return child;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Under which id its worker registered last. */
  get worker(): string {
    return this.all("etask:worker:started").at(-1)?.worker as string;
  }

  /** All events of one name so far. */
  all(name: string): Record<string, unknown>[] {
    return this.#seen.filter((each) => each.name === name).map(({ event }) => event);
  }

  /** Waits until `count` events of the name were published. */
  async seen(name: string, count = 1): Promise<void> {
    while (this.all(name).length < count) {
      if (this.#exited) throw new Error(`The worker exited before ${name}.`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Waits for the first event of the name, after the first `skip`, that `matches`. */
  async seenThat(
    name: string,
    matches: (event: Record<string, unknown>) => boolean,
    skip = 0,
  ): Promise<Record<string, unknown>> {
    for (let count = skip + 1; ; count += 1) {
      await this.seen(name, count);
      const event = this.all(name)[count - 1];
      if (event && matches(event)) return event;
    }
  }

  /** Sends a signal to the process. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Waits for the end of the process; its exit code, or `null` when a signal ended it. */
  async ended(): Promise<number | null> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) await once(this.#child, "exit");
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
