import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ProgramCommand } from "./contender.ts";
import type { Commands, Message, Replies } from "./protocol.ts";

const LINES_KEPT = 20;
const END_MS_MAX = 5_000;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A program that produces or works, as the process that measures sees it. When the program dies,
 * whatever was asked of it fails with what it said last.
 */
export class ProgramProcess {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Set<() => void>();
  readonly #said: string[] = [];
  #nextId = 1;
  #ended: Error | undefined;
  /** Tasks that it says have ended since it began. */
  finished = 0;

  constructor({ file, args }: ProgramCommand) {
    // A group of its own: with it end the children that a worker may have.
    this.#child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("A program has no pipes.");
    createInterface({ input: stdout }).on("line", (line) => this.#hear(line));
    createInterface({ input: stderr }).on("line", (line) => {
      this.#said.push(line);
      if (this.#said.length > LINES_KEPT) this.#said.shift();
    });
    this.#child.stdin?.on("error", () => {});
    this.#child.once("error", (error) => this.#end(error));
    this.#child.once("close", (code, signal) => {
      const last = this.#said.at(-1) ?? "it said nothing";
      this.#end(
        new Error(`A program ended (${code ?? signal}): ${last}\n${this.#said.join("\n")}`),
      );
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Sends a command. @throws Error when it is not answered in time, or with an error. */
  async ask<Name extends keyof Commands>(
    name: Name,
    command: Commands[Name],
    withinMs: number,
  ): Promise<Replies[Name]> {
    if (this.#ended) throw this.#ended;
    const id = this.#nextId;
    this.#nextId += 1;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
    });
    const timer = setTimeout(() => {
      const error = `No answer to ${name} within ${withinMs} ms`;
      this.#settle(id, { error: [error, ...this.#said].join("\n") });
    }, withinMs);
    this.#child.stdin?.write(`${JSON.stringify({ id, do: name, ...command })}\n`);
    try {
      // The program answers each command with its own reply.
      return (await answered) as Replies[Name];
    } finally {
      clearTimeout(timer);
    }
  }

  /** Calls `look` whenever {@link ProgramProcess.finished} changes; returns what ends that. */
  watch(look: () => void): () => void {
    this.#watchers.add(look);
    return () => this.#watchers.delete(look);
  }

  /** Ends the program with all its children. Idempotent. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#child, "close");
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#kill(), END_MS_MAX);
    await closed;
    clearTimeout(timer);
    this.#kill();
  }

  #kill(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // The group is empty already.
    }
  }

  #hear(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      this.#said.push(line);
      return;
    }
    if ("id" in message) {
      this.#settle(message.id, message);
      return;
    }
    this.finished = message.finished;
    for (const look of this.#watchers) look();
  }

  #settle(id: number, { value, error }: { readonly value?: unknown; readonly error?: string }) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new Error(error));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    for (const look of this.#watchers) look();
  }
}
