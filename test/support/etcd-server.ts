import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { type EtcdPrograms, findEtcd, freePort } from "../../scripts/etcd.mjs";
import { createDeferred } from "../../src/base/deferred.ts";
import { type Certificates, makeCertificates } from "./etcd-certificates.ts";

const run = promisify(execFile);
const STARTS_MAX = 5;
const START_MS_MAX = 30_000;

/** The password of the user `root` when a server is started with `auth`. */
export const ROOT_PASSWORD = "se/cr:et";

export interface EtcdServerOptions {
  /** Default `"3.5"`. */
  readonly line?: "3.4" | "3.5";
  /** Users and passwords are on; `root` has {@link ROOT_PASSWORD}. */
  readonly auth?: boolean;
  /** The server speaks TLS only. */
  readonly tls?: boolean;
  /** The server asks for a client certificate. Implies `tls`. */
  readonly clientCertAuth?: boolean;
  readonly quotaBytes?: number;
  /** Further command-line flags. */
  readonly flags?: readonly string[];
  /** Where the others reach the peer port of a member, which is at `target`. Default: there. */
  readonly peerRoute?: (member: number, target: Address) => Promise<Address>;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A real etcd on the loopback address, with its data in a directory that goes with it. */
export interface EtcdServer extends AsyncDisposable {
  /** The store URL, with credentials and certificate paths where the server wants them. */
  readonly url: string;
  readonly endpoint: { readonly host: string; readonly port: number };
  readonly version: string;
  readonly dataDir: string;
  readonly certificates: Certificates | undefined;
  readonly pid: number;
  /** Ends the process at once (SIGKILL); the data stays. */
  kill(): Promise<void>;
  /** Stops the process in its tracks (SIGSTOP): connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port and data, after ending it if it runs. */
  restart(): Promise<void>;
  /** Runs `etcdctl` against it and returns what it prints. */
  ctl(...args: string[]): Promise<string>;
  /** Ends the process and removes its data. */
  stop(): Promise<void>;
}

/** Members of one cluster. */
export interface EtcdCluster extends AsyncDisposable {
  readonly url: string;
  readonly members: readonly EtcdServer[];
}

/** Starts one server and waits until it serves. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  return retryOnTakenPorts(async () => {
    const [server] = await createServers(options, 1);
    if (server === undefined) throw new Error("No server was made.");
    await startAll([server]);
    if (options.auth === true) await enableAuth(server);
    return server;
  });
}

/** Starts a cluster of `size` members, plain and without users. */
export async function startEtcdCluster(
  size: number,
  options: EtcdServerOptions = {},
): Promise<EtcdCluster> {
  const members = await retryOnTakenPorts(async () => {
    const servers = await createServers(options, size);
    await startAll(servers);
    return servers;
  });
  return {
    members,
    url: `etcd://${members.map(({ endpoint }) => `127.0.0.1:${endpoint.port}`).join(",")}`,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}

class PortTakenError extends Error {}

async function retryOnTakenPorts<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof PortTakenError) || tries === STARTS_MAX) throw error;
    }
  }
}

async function startAll(servers: readonly ServerProcess[]): Promise<void> {
  const started = await Promise.allSettled(servers.map((server) => server.start()));
  const failed = started.find((result) => result.status === "rejected");
  if (failed === undefined) return;
  await Promise.all(servers.map((server) => server.stop()));
  throw failed.reason;
}

async function createServers(options: EtcdServerOptions, size: number): Promise<ServerProcess[]> {
  const programs = await findEtcd(options.line ?? "3.5");
  const folders = await Promise.all(
    Array.from({ length: size }, () => mkdtemp(join(tmpdir(), "etask-etcd-"))),
  );
  const ports = await Promise.all(Array.from({ length: size * 2 }, freePort));
  const peer = (index: number) => `http://127.0.0.1:${ports[size + index]}`;
  const routes = await Promise.all(folders.map((_, index) => routeOf(options, index, peer(index))));
  const cluster = routes.map((route, index) => `m${index}=${route}`).join(",");
  return Promise.all(
    folders.map(async (folder, index) => {
      const secure = options.tls === true || options.clientCertAuth === true;
      const certificates = secure ? await makeCertificates(folder) : undefined;
      const port = ports[index] as number;
      const [own, route = own] = [peer(index), routes[index]];
      const place: Place = { folder, port, peer: own, route, name: `m${index}`, cluster };
      return new ServerProcess(programs, options, certificates, place);
    }),
  );
}

async function routeOf({ peerRoute }: EtcdServerOptions, member: number, peer: string) {
  const { hostname, port } = new URL(peer);
  const route = await peerRoute?.(member, { host: hostname, port: Number(port) });
  return route ? `http://${route.host}:${route.port}` : peer;
}

async function enableAuth(server: ServerProcess): Promise<void> {
  await server.ctl(
    "user",
    "add",
    "root",
    "--interactive=false",
    "--new-user-password",
    ROOT_PASSWORD,
  );
  await server.ctl("user", "grant-role", "root", "root");
  await server.ctl("auth", "enable");
  server.usersOn = true;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  /** The URL where it listens to its peers. */
  readonly peer: string;
  /** The URL that it tells its peers. */
  readonly route: string;
  readonly name: string;
  readonly cluster: string;
}

class ServerProcess implements EtcdServer {
  readonly #programs: EtcdPrograms;
  readonly #options: EtcdServerOptions;
  readonly #place: Place;
  readonly certificates: Certificates | undefined;
  /** Whether `etcdctl` has to name a user. */
  usersOn = false;
  #child: ChildProcess | undefined;
  #reaper: ChildProcess | undefined;

  constructor(
    programs: EtcdPrograms,
    options: EtcdServerOptions,
    certificates: Certificates | undefined,
    place: Place,
  ) {
    this.#programs = programs;
    this.#options = options;
    this.#place = place;
    this.certificates = certificates;
  }

  get endpoint(): { host: string; port: number } {
    return { host: "127.0.0.1", port: this.#place.port };
  }

  get dataDir(): string {
    return join(this.#place.folder, "data");
  }

  get version(): string {
    return this.#programs.version;
  }

  get url(): string {
    const user = this.#options.auth === true ? `root:${encodeURIComponent(ROOT_PASSWORD)}@` : "";
    const address = `${user}127.0.0.1:${this.#place.port}`;
    if (this.certificates === undefined) return `etcd://${address}`;
    const { ca, clientCert, clientKey } = this.certificates;
    const parameters = new URLSearchParams({ ca });
    if (this.#options.clientCertAuth === true) {
      parameters.set("cert", clientCert);
      parameters.set("key", clientKey);
    }
    return `etcds://${address}?${parameters}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("The server does not run.");
    return pid;
  }

  async start(): Promise<void> {
    const child = spawn(this.#programs.etcd, this.#flags(), {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    this.#reaper?.kill("SIGKILL");
    this.#reaper = child.pid === undefined ? undefined : startReaper(child.pid, this.#place.folder);
    const said: string[] = [];
    const { promise, resolve, reject } = createDeferred<void>();
    const timer = setTimeout(() => {
      reject(new Error(`etcd did not start within ${START_MS_MAX} ms:\n${said.join("\n")}`));
    }, START_MS_MAX);
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (said.push(line) > 40) said.shift();
      if (line.includes("ready to serve client requests")) resolve();
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      const text = said.join("\n");
      const taken = text.includes("address already in use");
      reject(taken ? new PortTakenError(text) : new Error(`etcd ended with ${code}:\n${text}`));
    });
    await promise.finally(() => clearTimeout(timer));
  }

  #flags(): string[] {
    const { port, peer, route, name, cluster } = this.#place;
    const client = `${this.certificates ? "https" : "http"}://127.0.0.1:${port}`;
    const flags = [
      `--name=${name}`,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${route}`,
      `--initial-cluster=${cluster}`,
      ...(this.#options.flags ?? []),
    ];
    if (this.#options.quotaBytes !== undefined) {
      flags.push(`--quota-backend-bytes=${this.#options.quotaBytes}`);
    }
    if (this.certificates) {
      const { serverCert, serverKey, ca } = this.certificates;
      flags.push(`--cert-file=${serverCert}`, `--key-file=${serverKey}`);
      if (this.#options.clientCertAuth === true) {
        flags.push("--client-cert-auth", `--trusted-ca-file=${ca}`);
      }
    }
    return flags;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  pause(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.pid, "SIGCONT");
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async ctl(...args: string[]): Promise<string> {
    const scheme = this.certificates ? "https" : "http";
    const flags = ["--endpoints", `${scheme}://127.0.0.1:${this.#place.port}`];
    if (this.certificates) {
      const { ca, clientCert, clientKey } = this.certificates;
      flags.push("--cacert", ca, "--cert", clientCert, "--key", clientKey);
    }
    if (this.usersOn) {
      flags.push("--user", "root", "--password", ROOT_PASSWORD);
    }
    const env = { ...process.env, ETCDCTL_API: "3" };
    const { stdout } = await run(this.#programs.etcdctl, [...flags, ...args], {
      env,
      timeout: 30_000,
    });
    return stdout;
  }

  async stop(): Promise<void> {
    await this.kill();
    this.#reaper?.kill("SIGKILL");
    await rm(this.#place.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/**
 * A shell that waits for the end of this process, however it ends, and then ends the server and
 * removes its data: test runners end their workers without a chance to clean up.
 */
function startReaper(pid: number, folder: string): ChildProcess {
  const script = 'cat >/dev/null; kill -9 "$0"; rm -rf "$1"';
  const reaper = spawn("sh", ["-c", script, String(pid), folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  reaper.unref();
  (reaper.stdin as Socket | null)?.unref();
  return reaper;
}
