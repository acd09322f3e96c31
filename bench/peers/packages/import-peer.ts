import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { modifiedMs, Refusal, ROOT, run, say } from "../../../scripts/setup.mjs";

// This folder is a package of its own, so that the peers are no dependencies of etask, and nothing
// but this file is in it: what is in it cannot import "etask".
const FOLDER = "bench/peers/packages";

/**
 * Loads a package of this folder's node_modules. The name is no literal, so that etask itself can
 * be compiled where the peers are not installed; each module says what it uses of its peer.
 */
export async function importPeer(name: string): Promise<unknown> {
  return import(name);
}

/** `name version` as installed. */
export async function peerVersion(name: string): Promise<string> {
  const text = await readFile(join(ROOT, FOLDER, "node_modules", name, "package.json"), "utf8");
  return `${name} ${(JSON.parse(text) as { version: string }).version}`;
}

/**
 * Installs the peers when they are missing or older than the lock file.
 *
 * @throws Refusal when npm fails.
 */
export async function ensurePeers(): Promise<void> {
  const installed = modifiedMs(`${FOLDER}/node_modules/.package-lock.json`);
  if (installed >= modifiedMs(`${FOLDER}/package-lock.json`)) return;
  say(`Installing the peers: npm ci in ${FOLDER}/`);
  // Not strict about engines: some peers ask for a newer Node than they need.
  const code = await run("npm", ["ci", "--loglevel=error", "--engine-strict=false"], {
    cwd: join(ROOT, FOLDER),
  });
  if (code !== 0) throw new Refusal(`npm ci in ${FOLDER}/ failed with exit code ${code}.`);
}

/** The first line that a program prints. */
export async function firstLine(file: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(file, args, { timeout: 30_000 });
  return stdout.split("\n")[0] ?? "";
}
