/**
 * A program in a process group of its own, of which nothing stays behind.
 *
 * Two small processes of `/bin/sh` see to that. Their scripts are fixed texts; program and
 * arguments are handed over as arguments and are never part of a script.
 *
 * - The *gate* becomes the program. It leads a new session and process group, waits for a word on
 *   file descriptor 3, sets the limits, closes the descriptor and calls `exec`. So the program has
 *   the gate's process id, is our own child, and its exit code or signal is reported as it is.
 * - The *warden* waits for its standard input to end and then kills the whole group. Nobody but
 *   this process holds the other end of that pipe, so it ends when we let go of it, and also when
 *   this process is killed, with whatever signal: the kernel closes it.
 *
 * The order is: start the gate, start the warden with the gate's id, give the word. A process that
 * dies before the word leaves a gate that reads the end of its pipe and goes away without having
 * started the program; one that dies after it is seen by the warden. There is no moment between.
 *
 * How it ends: the program exits → what it wrote is read to its end, for a short while, as a child
 * of its own may still be writing → the pipe to the warden is closed, and what is left of the group
 * is killed. To stop it early, the group gets SIGTERM, and SIGKILL after a grace. The warden
 * ignores the signals by which people end programs, and is in a session of its own.
 *
 * What a program moves out of its group (by `setsid`, as daemons do) is out of reach; the wait for
 * its output is bounded all the same. Limits hold for each process of the group by itself.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Clock } from "../../base/clock.ts";
import { createDeferred } from "../../base/deferred.ts";
import { CommandFailedError, CommandNotExecutableError } from "./command-errors.ts";

/** How to start a {@link ProcessGroup}. */
export interface ProcessOrder {
  /** An absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Bytes for the standard input, which is empty without them. */
  readonly stdin: Uint8Array | string | undefined;
  readonly limits: ProcessLimits;
}

/** What each process of the group may use. `undefined`: what the worker may. */
export interface ProcessLimits {
  readonly cpuSeconds: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly openFiles: number | undefined;
}

/** How a program ended. */
export interface ProcessEnd {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

const SHELL = "/bin/sh";

/** The soft limit of CPU time ends a program by SIGXCPU; one that ignores it meets the hard one. */
const GATE = `
IFS= read -r word <&3 || exit 125
[ "$1" = - ] || { ulimit -S -t "$1" && ulimit -H -t "$2"; } || { echo cpuSeconds >&3; exit 125; }
[ "$3" = - ] || ulimit -d "$3" || { echo memoryBytes >&3; exit 125; }
[ "$4" = - ] || ulimit -n "$4" || { echo openFiles >&3; exit 125; }
shift 4
exec "$@" 3<&-
`;
const WARDEN = `
trap '' TERM INT HUP QUIT
read -r nothing
kill -s KILL -- "-$1"
`;

/** How long the group may write on after the program has exited. */
const DRAIN_MS = 500;
/** How long the kernel has for ending what was killed. */
const KILL_MS = 5_000;

/** One started program with its descendants. Dispose of it, however it ended. */
export class ProcessGroup implements AsyncDisposable {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the program has exited; never rejects. */
  readonly exited: Promise<ProcessEnd>;
  readonly #leader: ChildProcess;
  readonly #warden: ChildProcess;
  readonly #clock: Clock;
  readonly #refusedLimit: () => string;
  /** Settles when nobody writes to us any more. */
  readonly #read: Promise<unknown>;
  #hasExited = false;

  /** Use {@link startProcessGroup}. */
  constructor(leader: ChildProcess, warden: ChildProcess, clock: Clock) {
    const [, stdout, stderr, word] = leader.stdio as unknown as [
      unknown,
      Readable,
      Readable,
      Readable,
    ];
    this.stdout = stdout;
    this.stderr = stderr;
    this.#leader = leader;
    this.#warden = warden;
    this.#clock = clock;
    this.#refusedLimit = collect(word);
    this.#read = Promise.allSettled([
      finished(stdout),
      finished(stderr),
      finished(word, { writable: false }),
    ]);
    this.exited = ended(leader).then(() => {
      this.#hasExited = true;
      return { exitCode: leader.exitCode ?? undefined, signal: leader.signalCode ?? undefined };
    });
  }

  /**
   * Tells the group to end: SIGTERM, and SIGKILL after `graceMs`. Resolves when the program has
   * exited, or when it did not obey even that.
   */
  async terminate(graceMs: number): Promise<void> {
    this.#signal("SIGTERM");
    if (await this.#isOver(this.exited, graceMs)) return;
    this.#signal("SIGKILL");
    await this.#isOver(this.exited, KILL_MS);
  }

  /**
   * Waits until the output of the program, which has exited, has been read, kills what is left of
   * the group and waits for that.
   *
   * @throws CommandNotExecutableError when a limit could not be set; the program was not started.
   */
  async close(): Promise<void> {
    await this.#isOver(this.#read, DRAIN_MS);
    this.#warden.stdin?.end();
    await this.#isOver(ended(this.#warden), KILL_MS);
    await this.#isOver(this.#read, DRAIN_MS);
    for (const stream of this.#leader.stdio) stream?.destroy();
    const limit = this.#refusedLimit();
    if (limit === "") return;
    throw new CommandNotExecutableError(
      `limits.${limit} cannot be set on this system, or is above what the worker itself may use.`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasExited) await this.terminate(0);
    await this.close().catch(() => {});
  }

  #signal(name: NodeJS.Signals): void {
    // The id of a group whose leader is gone may be somebody else's by now.
    if (this.#hasExited || this.#leader.pid === undefined) return;
    try {
      process.kill(-this.#leader.pid, name);
    } catch {
      // It ended just now, or runs as another user; the warden is the last resort in both cases.
    }
  }

  async #isOver(what: Promise<unknown>, ms: number): Promise<boolean> {
    const { promise, resolve } = createDeferred<boolean>();
    const cancel = this.#clock.after(ms, () => resolve(false));
    const over = () => resolve(true);
    what.then(over, over);
    try {
      return await promise;
    } finally {
      cancel();
    }
  }
}

/**
 * Starts a program.
 *
 * @throws CommandNotExecutableError when this system cannot start programs this way, or the
 *   arguments are too long for it.
 * @throws CommandFailedError when the host lacks processes, files or memory for it; worth a retry.
 */
export async function startProcessGroup(order: ProcessOrder, clock: Clock): Promise<ProcessGroup> {
  const { program, args, cwd, env, stdin, limits } = order;
  // Elsewhere the limit can be set and holds nothing back.
  if (limits.memoryBytes !== undefined && process.platform !== "linux") {
    throw new CommandNotExecutableError(
      `limits.memoryBytes works on Linux only; this is ${process.platform}.`,
    );
  }
  const leader = await startShell(
    program,
    [GATE, "etask", ...limitArgs(limits), program, ...args],
    {
      ...{ cwd, env, detached: true },
      stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", "pipe"],
    },
  );
  const word = leader.stdio[3] as Writable;
  let warden: ChildProcess;
  try {
    warden = await startShell(program, [WARDEN, "etask", `${leader.pid}`], {
      ...{ cwd: "/", env: {}, detached: true },
      stdio: ["pipe", "ignore", "ignore"],
    });
  } catch (error) {
    for (const stream of leader.stdio) stream?.destroy();
    throw error;
  }
  const group = new ProcessGroup(leader, warden, clock);
  leader.stdin?.end(stdin);
  word.end("go\n");
  return group;
}

function limitArgs({ cpuSeconds, memoryBytes, openFiles }: ProcessLimits): readonly string[] {
  const hardSeconds = cpuSeconds === undefined ? undefined : cpuSeconds + 2;
  const kibibytes = memoryBytes === undefined ? undefined : Math.ceil(memoryBytes / 1_024);
  return [cpuSeconds, hardSeconds, kibibytes, openFiles].map((each) => `${each ?? "-"}`);
}

async function startShell(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  try {
    const child = spawn(SHELL, ["-c", ...args], options);
    // A program that does not read what it is given is no error; what it writes is seen elsewhere.
    for (const stream of child.stdio) stream?.on("error", () => {});
    await once(child, "spawn");
    return child;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const cause = { cause: error };
    if (code === "E2BIG") {
      throw new CommandNotExecutableError(`The arguments of ${program} are too long.`, cause);
    }
    if (code === "ENOENT" || code === "EACCES") {
      const what = `${program} cannot be started: that needs ${SHELL}, and the right to enter cwd.`;
      throw new CommandNotExecutableError(what, cause);
    }
    throw new CommandFailedError(`${program} could not be started: ${code}.`, cause);
  }
}

/** Resolves when the process has exited, also when it has by now. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** Reads a stream to its end, which is bounded: only the gate writes to it. */
function collect(stream: Readable): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  return () => text.trim();
}
