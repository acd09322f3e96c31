import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createDeferred } from "../../src/base/deferred.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A program of ours that runs in a process of its own, without a terminal. */
export class Program implements AsyncDisposable {
  readonly lines: string[] = [];
  /** Resolves to the exit code, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #process: ChildProcess;
  readonly #waiting = new Set<(line: string) => void>();

  /** Runs Node with `args` at the root of the repository. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#process = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) throw new Error("The program's output is not piped.");
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        for (const look of this.#waiting) look(line);
      });
    }
    this.ended = once(this.#process, "close").then(([code, signal]) => code ?? signal);
  }

  /** All that it has written. */
  get text(): string {
    return this.lines.join("\n");
  }

  /** The first line that matches, once it is there. Fails when the program ends without it. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const found = createDeferred<RegExpExecArray>();
    const look = (line: string) => {
      const match = pattern.exec(line);
      if (match) found.resolve(match);
    };
    this.#waiting.add(look);
    for (const line of this.lines) look(line);
    const missed = this.ended.then((how) => {
      throw new Error(`It ended with ${how} and without ${pattern}:\n${this.text}`);
    });
    try {
      return await Promise.race([found.promise, missed]);
    } finally {
      this.#waiting.delete(look);
      missed.catch(() => {});
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}

/** A folder that is removed with all that is in it. */
export async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "etask-test-demo-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Whether a process of that id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
