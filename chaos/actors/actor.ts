/**
 * One process of a run, from birth to death and to the next birth, as its parent sees it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createDeferred, type Deferred } from "../../src/base/deferred.ts";
import type { Command, Notice, Role, Setup } from "./program.ts";

/** No life of any process makes as many orders. */
const ORDERS_MAX = 100_000;
const LIVES_MAX = 1_000;
const PROGRAM = new URL("./program.ts", import.meta.url);

/** What all lives of an actor share. */
export interface ActorOptions {
  readonly name: string;
  /** Which of the actors it is, from 0. */
  readonly index: number;
  readonly role: Role;
  readonly store: string;
  readonly directory: string;
  readonly seed: number;
}

/** See above. */
export class Actor implements AsyncDisposable {
  readonly name: string;
  readonly role: Role;
  readonly #options: ActorOptions;
  #child: ChildProcess | undefined;
  #heard = new Map<Notice, Deferred<void>>();
  #lives = 0;
  #skewMs = 0;
  #frozen = false;
  /** How it ended where nobody ended it. */
  readonly accidents: string[] = [];
  #expected = false;

  constructor(options: ActorOptions) {
    this.#options = options;
    this.name = options.name;
    this.role = options.role;
  }

  get alive(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  get lives(): number {
    return this.#lives;
  }

  /** Begins a new life, unless it lives. */
  start(): void {
    if (this.alive) return;
    const { name, index, role, store, directory, seed } = this.#options;
    this.#lives += 1;
    this.#expected = false;
    this.#frozen = false;
    const life = `${name}.${this.#lives}`;
    const firstOrder = (index * LIVES_MAX + this.#lives) * ORDERS_MAX;
    const setup: Setup = {
      ...{ name: life, role, store, directory, seed, firstOrder },
      skewMs: this.#skewMs,
    };
    const child = fork(PROGRAM, [JSON.stringify(setup)], {
      execArgv: ["--import", "tsx"],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    const said = createWriteStream(join(directory, `${life}.out`));
    child.stdout?.pipe(said);
    child.stderr?.pipe(said);
    this.#heard = new Map([
      ["ready", createDeferred<void>()],
      ["quiet", createDeferred<void>()],
      ["settled", createDeferred<void>()],
    ]);
    child.on("message", (notice: Notice) => this.#heard.get(notice)?.resolve());
    child.once("exit", (code, signal) => {
      if (!this.#expected) this.accidents.push(`${life} ended with ${code ?? signal}`);
      for (const { resolve } of this.#heard.values()) resolve();
    });
  }

  /** Resolves when this life is up, or over. */
  async ready(): Promise<void> {
    await this.#heard.get("ready")?.promise;
  }

  /** Lets it begin nothing any more; resolves when what it had begun has ended, or it has. */
  async quiet(): Promise<void> {
    if (!this.alive) return;
    this.#tell({ kind: "quiet" });
    await this.#heard.get("quiet")?.promise;
  }

  /** Resolves when everybody in it who waits for the end of a task knows. */
  async settled(): Promise<void> {
    if (!this.alive) return;
    this.#tell({ kind: "settle" });
    await this.#heard.get("settled")?.promise;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#end(() => this.#child?.kill("SIGKILL"));
  }

  /** Ends it as a program ends that is told to. */
  async stop(): Promise<void> {
    await this.#end(() => this.#tell({ kind: "stop" }));
  }

  /** SIGSTOP. */
  freeze(): void {
    if (this.alive) this.#frozen = this.#child?.kill("SIGSTOP") ?? false;
  }

  /** SIGCONT. */
  thaw(): void {
    this.#frozen = false;
    if (this.alive) this.#child?.kill("SIGCONT");
  }

  /** Puts its wall clock forward or back, in this life and the next ones. */
  skew(ms: number): void {
    this.#skewMs = ms;
    this.#tell({ kind: "skew", ms });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #end(order: () => void): Promise<void> {
    const child = this.#child;
    if (!child || !this.alive) return;
    this.#expected = true;
    const exited = once(child, "exit");
    order();
    await exited;
  }

  #tell(command: Command): void {
    if (this.#child?.connected) this.#child.send(command, () => {});
  }
}
