/** The demo's other processes. None outlives the demo: they end when their channel to it closes. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What a child may say about itself. */
export interface Message {
  /** The id under which a worker process registered. */
  readonly worker?: string;
  /** The final state of every task, as the producer saw it. */
  readonly settled?: Readonly<Record<string, string>>;
}

/** What happens to a child. */
export interface ChildEvents {
  line(text: string): void;
  message(message: Message): void;
  /** It ended although nobody asked for it. */
  crashed(how: string): void;
}

/** A process that runs one of the files beside this one. */
export class Child {
  readonly #process: ChildProcess;
  readonly #ended: Promise<string>;
  #expected = false;

  constructor(file: string, args: readonly string[], directory: string, events: ChildEvents) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.#process = fork(path, args, {
      env: { ...process.env, FLEET_DIR: directory },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (text) => events.line(text));
    }
    this.#process.on("message", (message) => events.message(message as Message));
    this.#ended = once(this.#process, "exit").then(([code, signal]) =>
      signal ? `by ${signal}` : `with exit code ${code}`,
    );
    this.#ended.then((how) => {
      if (!this.#expected) events.crashed(how);
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Waits for the end that is now expected; resolves to how it ended. */
  ended(): Promise<string> {
    this.#expected = true;
    return this.#ended;
  }

  /** Sends a signal and waits for the end. Nothing happens to a process that has ended. */
  end(signal: NodeJS.Signals): Promise<string> {
    this.#process.kill(signal);
    return this.ended();
  }
}
