import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createDeferred } from "../../src/base/deferred.ts";

/** Another process that does something with a store: see `program.ts`. */
export class Program implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #read: Promise<unknown>;
  readonly #exited: Promise<unknown[]>;
  readonly #heard = new Set<() => void>();

  constructor(act: string, directory: string, ...args: string[]) {
    const program = fileURLToPath(new URL("./program.ts", import.meta.url));
    const command = ["--import", "tsx", program, act, directory, ...args];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
    const reader = createInterface({ input: child.stdout });
    reader.on("line", (line) => {
      this.lines.push(line);
      for (const heard of [...this.#heard]) heard();
    });
    this.#child = child;
    this.#read = once(reader, "close");
    this.#exited = once(child, "exit");
  }

  /** Resolves when it has said so many lines. */
  async said(count: number): Promise<void> {
    const { promise: ended, resolve: end } = createDeferred<void>();
    const check = () => {
      if (this.lines.length >= count) end();
    };
    this.#heard.add(check);
    check();
    const gone = this.#exited.then(([code]) => {
      if (this.lines.length < count) throw new Error(`The process ended with ${code}.`);
    });
    await Promise.race([ended, gone]);
    this.#heard.delete(check);
  }

  /** Ends it at once. What it said before is in {@link Program.lines} then. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended();
  }

  /** Its exit code, or the name of the signal that ended it. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#exited;
    await this.#read;
    return code ?? signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
  }
}
