import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type App, createApp, openStore } from "../../src/index.ts";

/** For tests of many processes, each of which takes seconds to start on a machine that is busy. */
export const PROCESSES_MS = 90_000;

/** The app module of these tests. */
export const APP: string = fileURLToPath(new URL("./app.ts", import.meta.url));

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const LOADER = import.meta.resolve("tsx");

/** How a command ended and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A directory of its own for one test, with a store in it. */
export interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly store: string;
  /** Runs `etask` to its end. */
  etask(...args: string[]): Promise<Ended>;
  /** The same with standard input or environment. */
  etaskWith(options: CommandOptions, ...args: string[]): Promise<Ended>;
  /** Starts `etask`; it is ended with the place at the latest. */
  start(...args: string[]): Running;
  /** Looks into the store, or prepares it, without a process. */
  within<T>(use: (app: App) => Promise<T>): Promise<T>;
}

/** A command that runs. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /**
   * The first line, of all that were and will be written, in which `fits` sees what it looks for.
   */
  line(stream: "stdout" | "stderr", fits: (line: string) => boolean): Promise<string>;
  signal(name: NodeJS.Signals): void;
}

/** Makes a place; dispose of it at the end. */
export async function makePlace(store?: string): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "etask-cli-"));
  const url = store ?? `embedded:${join(directory, "store")}`;
  const all: Running[] = [];
  const start = (options: CommandOptions, args: readonly string[]) => {
    const running = startCommand(
      directory,
      { ...options, env: { ETASK_STORE: url, ...options.env } },
      args,
    );
    all.push(running);
    return running;
  };
  return {
    directory,
    store: url,
    etask: (...args) => start({}, args).ended,
    etaskWith: (options, ...args) => start(options, args).ended,
    start: (...args) => start({}, args),
    within: async (use) => {
      await using opened = await openStore(url, { inline: true });
      await using app = await createApp({ store: opened });
      return await use(app);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { child } of all) child.kill("SIGKILL");
      await Promise.all(all.map(({ ended }) => ended));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function startCommand(
  cwd: string,
  { input, env }: CommandOptions,
  args: readonly string[],
): Running {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, ["--import", LOADER, MAIN, ...args], {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: "pipe",
  });
  child.stdin.end(input ?? "");
  const lines = { stdout: [] as string[], stderr: [] as string[] };
  const waiting = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    createInterface({ input: child[stream] }).on("line", (line) => {
      lines[stream].push(line);
      for (const wake of waiting) wake();
    });
  }
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout: lines.stdout.join("\n"),
    stderr: lines.stderr.join("\n"),
  }));
  const line: Running["line"] = (stream, fits) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = lines[stream].find(fits);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void ended.then(({ code, stdout, stderr }) =>
        reject(new Error(`It ended with ${code} before that line:\n${stdout}\n${stderr}`)),
      );
    });
  return { pid: child.pid ?? 0, child, ended, line, signal: (name) => void child.kill(name) };
}

/** Text of one JSON value a line, read. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
