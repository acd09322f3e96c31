import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { VERSION } from "../../src/base/version.ts";
import { Output } from "../../src/cli/output.ts";
import { runCli } from "../../src/cli/program.ts";
import {
  APP,
  type CommandOptions,
  jsonLines,
  makePlace,
  type Place,
  PROCESSES_MS,
} from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

/** Runs the command line within this process: for what ends before any store is opened. */
async function within(...args: string[]) {
  const said = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({
    write: (text: string, written?: () => void) => {
      said[name] += text;
      written?.();
      return true;
    },
  });
  const output = new Output({ stdout: stream("stdout"), stderr: stream("stderr"), env: {} });
  const stdin = (async function* (): AsyncGenerator<string> {})();
  const world = { clock: systemClock, random: systemRandom };
  const code = await runCli(args, { ...world, stdin, output, env: {}, exitCode: 0 });
  return { code, ...said };
}

const COMMANDS = [
  [],
  ["worker"],
  ["enqueue"],
  ["tasks"],
  ["tasks", "list"],
  ["tasks", "get"],
  ["tasks", "watch"],
  ["tasks", "remove"],
  ["workers"],
  ["workers", "list"],
  ["queues"],
  ["queues", "list"],
  ["doctor"],
];

for (const command of COMMANDS) {
  test(`help: ${["etask", ...command].join(" ")} --help has an example`, async () => {
    const { code, stdout, stderr } = await within(...command, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Usage: etask /);
    expect(stdout).toMatch(/\nExamples?:\n {2}\$ etask /);
    expect(stdout).toContain("--store <url>");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });
}

test("help: without a command it goes to stderr, and the code is 2", async () => {
  const { code, stdout, stderr } = await within();
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/^Usage: etask /);
  expect((await within("tasks")).code).toBe(2);
});

test("version: is that of the package", async () => {
  expect(await within("--version")).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
});

const WRONG: readonly (readonly [
  what: string,
  args: readonly string[],
  says: RegExp,
  code: string,
])[] = [
  ["an unknown command", ["taks"], /unknown command 'taks'/, "INVALID_OPTIONS"],
  ["an unknown option", ["doctor", "--fix"], /unknown option '--fix'/, "INVALID_OPTIONS"],
  ["a missing argument", ["tasks", "get"], /missing required argument 'id'/, "INVALID_OPTIONS"],
  ["a missing option", ["worker"], /required option '--app <file>'/, "INVALID_OPTIONS"],
  ["too many arguments", ["tasks", "get", "a", "b"], /too many arguments/, "INVALID_OPTIONS"],
  ["an unknown state", ["tasks", "list", "--state", "done"], /choices are/, "INVALID_OPTIONS"],
  [
    "a limit that is no number",
    ["tasks", "list", "--limit", "x"],
    /--limit.*"x"/,
    "INVALID_OPTIONS",
  ],
  ["a revision that is none", ["tasks", "watch", "--after", "-1"], /--after/, "INVALID_OPTIONS"],
  ["a bad id", ["tasks", "remove", "a#b"], /id must have/, "INVALID_OPTIONS"],
  ["bad JSON", ["enqueue", "x", "--input", "{x"], /--input must be JSON/, "INVALID_OPTIONS"],
  [
    "a missing file",
    ["enqueue", "x", "--input", "@none"],
    /cannot be read: none/,
    "INVALID_OPTIONS",
  ],
  ["a header without =", ["enqueue", "x", "--header", "a"], /KEY=VALUE/, "INVALID_OPTIONS"],
  ["a bad priority", ["enqueue", "x", "--priority", "high"], /--priority/, "INVALID_OPTIONS"],
  [
    "a timeout without --wait",
    ["enqueue", "x", "--wait-timeout", "1s"],
    /--wait/,
    "INVALID_OPTIONS",
  ],
  ["a missing app", ["enqueue", "x", "--app", "none.ts"], /no app module/, "INVALID_OPTIONS"],
  ["a malformed store URL", ["doctor", "--store", "redis://x"], /malformed/, "STORE_URL"],
  ["a store of one process", ["doctor", "--store", "memory:"], /one process/, "INVALID_OPTIONS"],
];

for (const [what, args, says, expected] of WRONG) {
  test(`usage: ${what} is code 2, in words and in JSON`, async () => {
    await using place = await makePlace();
    const store = args.includes("--store") ? [] : ["--store", place.store];
    const words = await within(...args, ...store);
    expect(words.code).toBe(2);
    expect(words.stdout).toBe("");
    expect(words.stderr).toMatch(/^etask: .+\nhint: .+\n$/);
    expect(words.stderr).toMatch(says);
    expect(words.stderr).toContain(`(${expected})`);

    const json = await within(...args, ...store, "--json");
    expect(json.code).toBe(2);
    expect(json.stdout).toBe("");
    const [error, ...more] = jsonLines(json.stderr);
    expect(more).toEqual([]);
    expect(error).toMatchObject({ level: "error", code: expected });
    expect(error?.message).toMatch(says);
    expect(Object.keys(error ?? {})).toEqual(["level", "code", "message", "hint"]);
  });
}

test("usage: a stack trace is shown with ETASK_DEBUG=1 and never without", async () => {
  await using place = await makePlace();
  await writeFile(join(place.directory, "broken.mjs"), "throw new Error('broken on purpose')");
  const args = ["enqueue", "x", "--app", "broken.mjs"];
  const plain = await place.etask(...args);
  expect(plain.code).toBe(2);
  expect(plain.stderr).toContain("could not be loaded: broken on purpose");
  expect(plain.stderr).not.toMatch(/^ +at /m);
  const debug = await place.etaskWith({ env: { ETASK_DEBUG: "1" } }, ...args);
  expect(debug.code).toBe(2);
  expect(debug.stderr).toMatch(/at .*broken\.mjs/);
});

test("store: --store wins over ETASK_STORE, an empty ETASK_STORE counts as none", async () => {
  await using place = await makePlace();
  const elsewhere = `embedded:${join(place.directory, "elsewhere")}`;
  await place.etask("enqueue", "math.sum", "--id", "a", "--store", elsewhere);
  expect(await place.within((app) => app.backend.get("a"))).toBe(undefined);
  const env = { ETASK_STORE: elsewhere };
  expect((await place.etaskWith({ env }, "tasks", "get", "a")).code).toBe(0);
  const none = await place.etaskWith({ env: { ETASK_STORE: "" } }, "doctor");
  expect(none.stdout).toMatch(/^store embedded:\.\/\.etask$/m);
});

test("store: a directory that is not etask's is code 3, and left alone", async () => {
  await using place = await makePlace();
  await writeFile(join(place.directory, "letter.txt"), "Dear");
  const args = ["--store", `embedded:${place.directory}`];
  const { code, stderr } = await place.etask("tasks", "list", ...args);
  expect(code).toBe(3);
  expect(stderr).toContain("(STORE_REFUSED)");
});

/** Says at its end, on stderr, whether gRPC was loaded. */
async function withLoadReport({ directory }: Place): Promise<CommandOptions> {
  const report = join(directory, "report.cjs");
  const code = `
    process.on("exit", () => {
      const has = Object.keys(require.cache).some((file) => file.includes("@grpc"));
      require("node:fs").writeSync(2, has ? "gRPC loaded\\n" : "no gRPC\\n");
    });`;
  await writeFile(report, code);
  return { env: { NODE_OPTIONS: `--require=${report}` } };
}

test("store: an etcd that does not answer is code 3, and named without its password", async () => {
  await using place = await makePlace();
  const url = "etcd://root:s3cret@127.0.0.1:1/x";
  const args = ["tasks", "list", "--store", url];
  const { code, stdout, stderr } = await place.etaskWith(await withLoadReport(place), ...args);
  expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  expect(stderr).toMatch(/^etask: No etcd server answered.*\nhint: .*\(STORE_UNAVAILABLE\)\n/s);
  expect(stderr).not.toContain("s3cret");
  expect(stderr).toMatch(/gRPC loaded$/);
});

test("store: an embedded one loads no gRPC", async () => {
  await using place = await makePlace();
  const args = ["enqueue", "math.sum", "--app", APP, "--input", "[]"];
  const { code, stderr } = await place.etaskWith(await withLoadReport(place), ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "no gRPC" });
});
