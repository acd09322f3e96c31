/** The demo's other processes. None outlives the demo: they end when their channel to it closes. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What a child may say about itself. */
export interface Message {
  /** The id under which a worker process registered. */
  readonly worker?: string;
  /** The process is the Beat now. */
  readonly leads?: boolean;
  /** The final state of every task, as the producer saw it. */
  readonly settled?: Readonly<Record<string, string>>;
}

/** What happens to a child. */
export interface ChildEvents {
  line(text: string): void;
  message(message: Message): void;
  /** It ended although nobody asked it to, and not as programs end that have done their work. */
  failed(how: string): void;
}

/** A process that runs one of the files beside this one. */
export class Child {
  readonly #process: ChildProcess;
  readonly #ended: Promise<string>;
  #asked = false;

  constructor(file: string, env: Readonly<Record<string, string>>, events: ChildEvents) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      // Ctrl-C goes to all processes of the terminal's group; here the demo decides who ends when.
      detached: true,
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (text) => events.line(text));
    }
    this.#process.on("message", (message) => events.message(message as Message));
    this.#ended = once(this.#process, "exit").then(([code, signal]) => {
      const how = signal ? `by ${signal}` : `with exit code ${code}`;
      if (code !== 0 && !this.#asked) events.failed(how);
      return how;
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves when the process has ended, to how it did. */
  ended(): Promise<string> {
    return this.#ended;
  }

  /** Sends a signal and waits for the end. Nothing happens to a process that has ended. */
  end(signal: NodeJS.Signals): Promise<string> {
    this.#asked = true;
    this.#process.kill(signal);
    return this.#ended;
  }
}
