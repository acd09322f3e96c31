import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** What an agent process told. */
export interface AgentEvent {
  readonly event: string;
  readonly address?: string;
  readonly incarnation?: string;
  readonly task?: string;
  readonly reason?: string;
  readonly aborted?: number;
}

/** An agent in a process of its own, for tests that kill and freeze it. */
export class AgentChild implements AsyncDisposable {
  readonly events: AgentEvent[] = [];
  readonly #child: ChildProcess;
  #changed: () => void = () => {};
  #exited = false;
  #complaints = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message) => {
      this.events.push(message as AgentEvent);
      this.#changed();
    });
    child.stderr?.on("data", (text) => {
      this.#complaints += text;
    });
    child.once("exit", () => {
      this.#exited = true;
      this.#changed();
    });
  }

  /** Starts the process; with `registered`, waits until its agent can be called. */
  static async start(
    store: string,
    name: string,
    options: object = {},
    { registered = true } = {},
  ): Promise<AgentChild> {
    const program = new URL("./agent-process.ts", import.meta.url);
    const args = [store, name, JSON.stringify(options)];
    const child = new AgentChild(
      fork(program, args, {
        execArgv: ["--import", "tsx"],
        stdio: ["ignore", "inherit", "pipe", "ipc"],
      }),
    );
    if (registered) await child.seen("registered");
    return child;
  }

  /** What it wrote to standard error. */
  get complaints(): string {
    return this.#complaints;
  }

  /** Where it is called. */
  get address(): string {
    return this.events.find(({ event }) => event === "registered")?.address ?? "";
  }

  /** Waits until so many events of that kind were told, and returns the last of them. */
  async seen(event: string, count = 1): Promise<AgentEvent> {
    for (;;) {
      const found = this.events.filter((each) => each.event === event);
      const last = found[count - 1];
      if (last) return last;
      if (this.#exited) throw new Error(`It exited before it told "${event}": ${this.complaints}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Lets the call of `wait` end. */
  release(): void {
    this.#child.send("end");
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Waits for the end of the process; its exit code, or `null` when a signal ended it. */
  async ended(): Promise<number | null> {
    const { exitCode, signalCode } = this.#child;
    // Not "exit", after which there may still be something to read.
    if (exitCode === null && signalCode === null) await once(this.#child, "close");
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended();
  }
}
