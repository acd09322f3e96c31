import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, constants, readdir, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { delimiter, join } from "node:path";

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
const LOOK_MS = 20;
const LINES_KEPT = 40;

/** A server on the loopback address, started by us and ended by its process id. */
export interface ServerProcess {
  readonly pid: number;
  /** Asks it to end, and ends it if it does not. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** How a server is started. */
export interface ServerOptions {
  readonly file: string;
  readonly args: readonly string[];
  /** Where it accepts connections when it is ready. */
  readonly port: number;
  /** Removed when this process dies without having stopped the server. */
  readonly directory: string;
  /** Run as this user, which takes root. */
  readonly user?: User | undefined;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Starts a server and waits until its port accepts connections. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { file, args, port, directory, user } = options;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], ...user });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said.push(text);
      if (said.length > LINES_KEPT) said.shift();
    });
  }
  await once(child, "spawn");
  const pid = child.pid as number;
  const reaper = startReaper(pid, directory);
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    await end(child, signal);
    reaper.kill("SIGKILL");
  };
  const until = performance.now() + START_MS_MAX;
  while (!(await accepts(port))) {
    if (child.exitCode === null && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      continue;
    }
    await stop();
    throw new Error(`${file} did not start; it said:\n${said.join("")}`);
  }
  return { pid, stop };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  child.kill(signal);
  await exited;
  clearTimeout(timer);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const done = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => done(true)).once("error", () => done(false));
  });
}

/** A shell that waits for the end of this process, however it ends, and then clears away. */
function startReaper(pid: number, directory: string): ChildProcess {
  const script = 'cat >/dev/null; kill -9 "$0"; sleep 1; rm -rf "$1"';
  const reaper = spawn("sh", ["-c", script, String(pid), directory], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  reaper.unref();
  (reaper.stdin as Socket).unref();
  return reaper;
}

/** The first of `folders`, then of PATH, that has an executable `name`. */
export async function findProgram(
  name: string,
  folders: readonly string[] = [],
): Promise<string | undefined> {
  for (const folder of [...folders, ...(process.env.PATH ?? "").split(delimiter)]) {
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** The folders below `parent`, highest version first. */
export async function versionsIn(parent: string): Promise<readonly string[]> {
  const names = await readdir(parent).catch(() => []);
  return names
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .map((name) => join(parent, name));
}

/** A user of this machine, for servers that refuse to run as root; `undefined` when we are not. */
export async function unprivileged(...names: readonly string[]): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of names) {
    const found = lines.find((fields) => fields[0] === name);
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Error(`There is none of these users here: ${names.join(", ")}.`);
}
