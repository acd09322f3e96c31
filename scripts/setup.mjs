// Gets a fresh clone ready: `node scripts/setup.mjs`. The other scripts call it before anything is
// installed, so it uses nothing but Node.
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

const NODE_MIN = [20, 19];

/** A message for the person at the terminal: said without a stack trace. */
export class Refusal extends Error {}

/**
 * Installs the dependencies when they are missing or older than package-lock.json.
 *
 * @throws Refusal when Node is too old or npm fails.
 */
export async function ensureInstalled() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    throw new Refusal(
      `etask needs Node ${NODE_MIN.join(".")} or newer; this is ${process.versions.node}.`,
    );
  }
  // npm writes its own copy of the lock file last: an interrupted installation does not have it.
  const installed = modifiedMs("node_modules/.package-lock.json");
  if (installed >= modifiedMs("package-lock.json")) return;
  say("Installing dependencies: npm ci");
  // With development dependencies also where NODE_ENV=production would leave them out.
  const code = await run("npm", ["ci", "--include=dev"], { shell: process.platform === "win32" });
  if (code !== 0) {
    throw new Refusal(
      `npm ci failed with exit code ${code}; what it said is above. It needs the registry that npm ` +
        "is configured for (npm config get registry) and write access to node_modules/.",
    );
  }
}

/** When a file was modified, in milliseconds; 0 when it is not there. */
export function modifiedMs(path) {
  return statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Runs a program in the repository with this terminal; resolves to its exit code. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: "inherit", ...options });
    child.once("error", (error) => {
      reject(new Refusal(`${program} could not be started: ${error.message}`));
    });
    child.once("exit", (code, signal) => resolve(code ?? `signal ${signal}`));
  });
}

/** Runs a program of a package in node_modules, on this Node. */
export function runModule(script, args, options) {
  return run(process.execPath, [join("node_modules", script), ...args], options);
}

/** Writes one line to the terminal. */
export function say(line) {
  process.stdout.write(`${line}\n`);
}

/** Runs a script's main function; when it throws, the script says why and fails. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    complain(error);
  }
}

/** Says what went wrong, and makes this program fail when it ends. */
export function complain(error) {
  process.stderr.write(`${error instanceof Refusal ? error.message : error.stack}\n`);
  process.exitCode = 1;
}

/** Whether the module at `url` is the program that was started. */
export function isMain(url) {
  return process.argv[1] === fileURLToPath(url);
}

if (isMain(import.meta.url)) await runMain(ensureInstalled);
