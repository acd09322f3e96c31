// Finds an etcd server for the tests, and installs one without root where it can.
//
// As a program (`npm run etcd`, or `node scripts/etcd.mjs 3.4`): starts a throwaway server on a
// free port, prints its store URL, and removes everything when it is interrupted.
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL("../.cache/etcd", import.meta.url));

/** The Debian releases whose packages are of a line, best first. */
const RELEASES = { 3.4: ["bookworm"], 3.5: ["trixie", "forky", "sid"] };

/**
 * The programs of a release line of etcd: from the environment, from `.cache/etcd/`, from PATH, or
 * else newly installed into `.cache/etcd/` from Debian's packages.
 *
 * @throws Error saying what to do when there is none.
 */
export async function findEtcd(line) {
  if (RELEASES[line] === undefined) throw new Error(`No etcd line ${line}: ask for 3.4 or 3.5.`);
  return (
    (await fromEnvironment(line)) ??
    (await fromCache(line)) ??
    (await fromPath(line)) ??
    (await install(line))
  );
}

function variable(line) {
  return `ETASK_ETCD_${line.replace(".", "")}`;
}

async function fromEnvironment(line) {
  const etcd = process.env[variable(line)];
  if (!etcd) return undefined;
  const version = await versionOf(etcd);
  if (version?.startsWith(`${line}.`)) return programs(etcd, version);
  throw new Error(
    `${variable(line)} must be the path of an etcd ${line} program; ${etcd} is ` +
      `${version ?? "none"}.`,
  );
}

async function fromCache(line) {
  const versions = existsSync(CACHE) ? await readdir(CACHE) : [];
  const newestFirst = versions
    .filter((version) => version.startsWith(`${line}.`))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  for (const version of newestFirst) {
    const etcd = join(CACHE, version, "usr", "bin", "etcd");
    if ((await versionOf(etcd)) === version) return programs(etcd, version);
  }
  return undefined;
}

async function fromPath(line) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const etcd = join(folder, "etcd");
    if (!existsSync(etcd)) continue;
    const version = await versionOf(etcd);
    if (version?.startsWith(`${line}.`)) return programs(etcd, version);
  }
  return undefined;
}

function programs(etcd, version) {
  const beside = join(dirname(etcd), "etcdctl");
  return { etcd, etcdctl: existsSync(beside) ? beside : "etcdctl", version };
}

async function versionOf(etcd) {
  try {
    const { stdout } = await run(etcd, ["--version"], { timeout: 10_000 });
    return /etcd Version: (\S+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Lets apt do the work on directories of its own, so that the system's package state is untouched
 * and no root is needed: it knows this machine's mirror and proxy, and checks signatures.
 */
async function install(line) {
  const work = await mkdtemp(join(tmpdir(), "etask-apt-"));
  const failures = [];
  try {
    for (const release of RELEASES[line]) {
      for (const mirror of await mirrors()) {
        try {
          return await installFrom(work, line, mirror, release);
        } catch (error) {
          failures.push(`${release}: ${String(error.stderr || error.message).trim()}`);
        }
      }
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  throw new Error(
    `There is no etcd ${line} here and it could not be installed from Debian's packages. Put its ` +
      `path into ${variable(line)}, or etcd into PATH.\n${failures.join("\n")}`,
  );
}

async function installFrom(work, line, mirror, release) {
  await Promise.all(
    ["lists/partial", "archives/partial", "deb"].map((folder) =>
      mkdir(join(work, folder), { recursive: true }),
    ),
  );
  await writeFile(
    join(work, "sources.list"),
    `deb ${mirror.options}${mirror.uri} ${release} main\n`,
  );
  const options = [
    ["Dir::Etc::sourcelist", join(work, "sources.list")],
    ["Dir::Etc::sourceparts", "/dev/null"],
    ["Dir::State", work],
    ["Dir::State::status", "/dev/null"],
    ["Dir::Cache", work],
    ["APT::Sandbox::User", "root"],
    ["Acquire::Languages", "none"],
    ["Acquire::Retries", "2"],
  ].flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const apt = (...args) =>
    run("apt-get", [...options, ...args], { cwd: join(work, "deb"), timeout: 180_000 });
  await apt("update");
  await apt("download", "etcd-server", "etcd-client");
  for (const file of await readdir(join(work, "deb"))) {
    await run("dpkg-deb", ["-x", join(work, "deb", file), join(work, "root")], { timeout: 60_000 });
    await rm(join(work, "deb", file));
  }
  const version = await versionOf(join(work, "root", "usr", "bin", "etcd"));
  if (!version?.startsWith(`${line}.`)) throw new Error(`it has etcd ${version}`);
  await moveIntoCache(join(work, "root"), version);
  return programs(join(CACHE, version, "usr", "bin", "etcd"), version);
}

/** Another process may have installed the same version meanwhile: then that one stays. */
async function moveIntoCache(root, version) {
  const target = join(CACHE, version);
  const near = `${target}.${process.pid}`;
  await mkdir(CACHE, { recursive: true });
  await run("cp", ["-r", root, near], { timeout: 60_000 });
  await rename(near, target).catch(async (error) => {
    await rm(near, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  });
}

/** Where this machine gets its packages from: `deb` lines and deb822 paragraphs. */
async function mirrors() {
  const files = [
    "/etc/apt/sources.list",
    ...(await readdir("/etc/apt/sources.list.d").catch(() => []))
      .map((name) => join("/etc/apt/sources.list.d", name))
      .filter((name) => /\.(list|sources)$/.test(name)),
  ];
  const found = new Map();
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    for (const mirror of file.endsWith(".sources") ? deb822(text) : oneLine(text)) {
      // The archive of security updates has a layout of its own and no etcd.
      if (!/security/.test(mirror.uri)) found.set(mirror.uri, mirror);
    }
  }
  return [...found.values()];
}

function oneLine(text) {
  const lines = text.matchAll(/^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+\S+\s+.*\bmain\b/gm);
  return [...lines].map(([, options = "", uri]) => ({ uri, options: signedBy(options) }));
}

function signedBy(options) {
  const keyring = /signed-by=([^\s\]]+)/.exec(options)?.[1];
  return keyring ? `[signed-by=${keyring}] ` : "";
}

function deb822(text) {
  const paragraphs = text.replace(/^#.*\n/gm, "").split(/\n\s*\n/);
  return paragraphs.flatMap((paragraph) => {
    const field = (name) => new RegExp(`^${name}:\\s*(.+)$`, "m").exec(paragraph)?.[1]?.trim();
    if (!/\bmain\b/.test(field("Components") ?? "") || field("Enabled") === "no") return [];
    const keyring = field("Signed-By");
    const options = keyring?.startsWith("/") ? `[signed-by=${keyring}] ` : "";
    return (field("URIs") ?? "").split(/\s+/).map((uri) => ({ uri, options }));
  });
}

/** A port of the loopback address that was free a moment ago. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function main(line) {
  const { etcd, etcdctl, version } = await findEtcd(line);
  const dataDir = await mkdtemp(join(tmpdir(), "etask-etcd-"));
  const client = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const server = spawn(
    etcd,
    [
      ["--data-dir", dataDir],
      ["--listen-client-urls", client],
      ["--advertise-client-urls", client],
      ["--listen-peer-urls", peer],
      ["--initial-advertise-peer-urls", peer],
      ["--initial-cluster", `default=${peer}`],
    ].flat(),
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.kill("SIGTERM"));
  server.once("exit", async (code) => {
    await rm(dataDir, { recursive: true, force: true });
    process.exitCode = code ?? 0;
  });
  for (let tries = 0; tries < 100 && server.exitCode === null; tries += 1) {
    try {
      execFileSync(etcdctl, ["--endpoints", client, "endpoint", "health"], {
        env: { ...process.env, ETCDCTL_API: "3" },
        stdio: "ignore",
      });
      process.stdout.write(`etcd ${version}: ETASK_STORE=${client.replace("http:", "etcd:")}\n`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  server.kill("SIGTERM");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? "3.5");
