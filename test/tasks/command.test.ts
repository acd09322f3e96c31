import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { commandTask } from "../../src/tasks/command/index.ts";
import { createAttempt, failureOf, run } from "./support/attempt.ts";

/** A task that runs a text of shell. The shell is the program here, and the text its argument. */
const sh = (script: string) => ["sh", "-c", script];
const node = (script: string) => [process.execPath, "-e", script];

async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "etask-test-command-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test("command: what a program writes is its log and, in the end, the result", async () => {
  const attempt = createAttempt();
  const task = commandTask({ name: "say", command: sh("echo one; echo two >&2; printf three") });
  expect(await run(task, undefined, attempt)).toEqual({
    exitCode: 0,
    stdout: "one\nthree",
    stderr: "two\n",
    cutBytes: { stdout: 0, stderr: 0 },
  });
  expect([...attempt.lines].sort()).toEqual(["stderr: two", "stdout: one", "stdout: three"]);
});

test("command: arguments are handed over as they are, and no shell reads them", async () => {
  const args = ["$(id)", "; exit 3", "a b", "", "*", "-n", "'\"\\", "ünï", "new\nline", "$1"];
  const task = commandTask({
    name: "args",
    command: (input: { args: string[] }) => ({
      program: process.execPath,
      args: ["-e", "console.log(JSON.stringify(process.argv.slice(1)))", "--", ...input.args],
    }),
    result: "json",
  });
  expect(await run(task, { args })).toEqual(args);
});

test("command: a fixed command gets the input as JSON", async () => {
  const task = commandTask({
    name: "cat",
    command: "cat",
    input: z.object({ disk: z.string() }),
    result: "json",
  });
  expect(await run(task, { disk: "sda" })).toEqual({ disk: "sda" });
  expect(await run(commandTask({ name: "cat", command: "cat", result: "text" }), "a")).toBe('"a"');
});

test.each([
  ["text", "text as it is", "text as it is"],
  ["bytes", Buffer.from("bytes"), "bytes"],
  ["JSON", { a: 1 }, '{"a":1}'],
  ["nothing", undefined, ""],
])("command: standard input that is %s arrives as that", async (_what, stdin, arrives) => {
  const command = () => ({ program: "cat", stdin });
  expect(await run(commandTask({ name: "cat", command, result: "text" }))).toBe(arrives);
});

test("command: a program that does not read its input succeeds all the same", async () => {
  const command = () => ({ program: "true", stdin: "x".repeat(4_000_000) });
  expect(await run(commandTask({ name: "deaf", command }))).toMatchObject({ exitCode: 0 });
});

test("command: it sees the allowed variables, its own and those of the attempt, no others", async () => {
  vi.stubEnv("ETASK_STORE", "etcd://secret");
  vi.stubEnv("MY_PASSWORD", "secret");
  vi.stubEnv("PASSED", "yes");
  const task = commandTask({
    name: "env",
    command: () => ({ program: "env", env: { MORE: "3" } }),
    env: { pass: ["PATH", "PASSED", "NOT_THERE"], set: { MORE: "2", SET: "a b" } },
    result: "lines",
  });
  const { context, ...attempt } = createAttempt({
    attempt: 2,
    fence: 9,
    headers: { traceparent: "00-a-b-01" },
  });
  const lines = (await run(task, undefined, { ...attempt, context })) as string[];
  // The shell that becomes the program says where it is.
  expect(lines.filter((line) => !line.startsWith("PWD=")).sort()).toEqual([
    "ETASK_ATTEMPT=2",
    "ETASK_FENCE=9",
    "ETASK_TASK_ID=task-1",
    "MORE=3",
    "PASSED=yes",
    `PATH=${process.env.PATH}`,
    "SET=a b",
    "TRACEPARENT=00-a-b-01",
  ]);
  const plain = await run(commandTask({ name: "env", command: "env", result: "text" }));
  expect(plain).not.toContain("secret");
  vi.unstubAllEnvs();
});

test("command: it runs where cwd says", async () => {
  await using folder = await openFolder();
  const task = commandTask({ name: "pwd", command: "pwd", cwd: folder.path, result: "text" });
  expect(await run(task)).toBe(folder.path);
});

test.each([
  ["text", "text", "a\nb\n", "a\nb"],
  ["lines", "lines", "a\r\nb\n", ["a", "b"]],
  ["no lines", "lines", "", []],
  ["JSON", "json", '{"a":[1]}\n', { a: [1] }],
  ["a function's", ({ stdout }: { stdout: string }) => stdout.length, "abc", 3],
] as const)("command: the result is %s", async (_what, result, stdout, expected) => {
  const command = () => ({ program: "cat", stdin: stdout });
  expect(await run(commandTask({ name: "cat", command, result: result as never }))).toEqual(
    expected,
  );
});

test.each([
  ["none", "echo nothing", /did not write JSON: "nothing/],
  ["not whole", "printf '[%0100d]' 1", /more than are kept/],
])("command: JSON that is %s is bad output, for good", async (_what, script, says) => {
  const task = commandTask({
    name: "json",
    command: sh(script),
    result: "json",
    outputBytesMax: 64,
  });
  const error = await failureOf(run(task));
  expect(error).toMatchObject({ code: "COMMAND_BAD_OUTPUT", final: true });
  expect(error.message).toMatch(says);
});

test("command: of output over the bound the end is kept, and it says how much is not there", async () => {
  const script =
    'const b = Buffer.alloc(65536, "0123456789abcde\\n"); ' +
    "for (let i = 0; i < 320; i += 1) require('fs').writeSync(1, b); console.log('end')";
  const bytes = 320 * 65_536 + 4;
  const command = node(script);
  const plain = commandTask({ name: "flood", command });
  const output = await run(plain);
  expect(output).toMatchObject({
    stdout: expect.stringMatching(/^[\da-e\n]{16380}end\n$/),
    cutBytes: { stdout: bytes - 16_384, stderr: 0 },
  });
  const text = await run(
    commandTask({ name: "flood", command, result: "text", outputBytesMax: 20 }),
  );
  expect(text).toBe(`[${bytes - 20} bytes before this were not kept]\n${"0123456789abcde\nend"}`);
});

test("command: bytes that are no text become replacement characters", async () => {
  const command = sh("printf '\\377\\376a\\0b'");
  expect(await run(commandTask({ name: "binary", command, result: "text" }))).toBe(
    "\ufffd\ufffda\0b",
  );
});

test("command: a line without an end is logged in pieces", async () => {
  const attempt = createAttempt();
  const command = node("process.stdout.write('x'.repeat(200000))");
  await run(commandTask({ name: "long", command }), undefined, attempt);
  expect(attempt.lines).toHaveLength(4);
  for (const line of attempt.lines) expect(line.length).toBeLessThanOrEqual(65_544);
});

test("command: a pattern finds the progress, also in lines that are written over", async () => {
  const attempt = createAttempt();
  const command = sh("printf '10%%\\r20.5%%\\r' >&2; echo 30%; echo 40 of 100");
  await run(commandTask({ name: "p", command, progress: /([\d.]+)%/g }), undefined, attempt);
  expect(attempt.reports.map(([percent]) => percent).sort()).toEqual([10, 20.5, 30]);
});

test("command: lines of JSON tell the progress and are no output", async () => {
  const attempt = createAttempt();
  const lines = [
    '{"progress": 10}',
    '{"progress": 50, "detail": {"step": "copy"}}',
    '{"progress": "much"}',
    '{"result": 7}',
  ];
  const task = commandTask({
    name: "p",
    command: () => ({ program: "cat", stdin: lines.join("\n") }),
    progress: "json-lines",
    result: "lines",
  });
  expect(await run(task, undefined, attempt)).toEqual(lines.slice(2));
  expect(attempt.reports).toEqual([
    [10, undefined],
    [50, { step: "copy" }],
  ]);
  expect(attempt.lines).toEqual(lines.slice(2).map((line) => `stdout: ${line}`));
});

test.each([
  [0, "succeeded"],
  [3, "retry"],
  [75, "retry"],
  [2, "final"],
  [1, "succeeded"],
])("command: exit code %i means %s", async (code, meaning) => {
  const task = commandTask({
    name: "exit",
    command: sh(`echo why >&2; exit ${code}`),
    exitCodes: { 1: "succeeded", 2: "final", 75: "retry" },
  });
  if (meaning === "succeeded") {
    expect(await run(task)).toMatchObject({ exitCode: code });
    return;
  }
  const error = await failureOf(run(task));
  expect(error).toMatchObject({
    code: "COMMAND_FAILED",
    exitCode: code,
    stderr: "why",
    final: meaning === "final",
    message: `sh exited with code ${code}: why`,
  });
});

test("command: what `others` says holds for the exit codes that are not named", async () => {
  const exitCodes = { 75: "retry", others: "final" } as const;
  const failing = (code: number) =>
    failureOf(run(commandTask({ name: "exit", command: sh(`exit ${code}`), exitCodes })));
  expect(await failing(75)).toMatchObject({ final: false });
  expect(await failing(9)).toMatchObject({ final: true });
  expect(await run(commandTask({ name: "exit", command: "true", exitCodes }))).toBeDefined();
});

test("command: a program that a signal ends has failed with the signal", async () => {
  const error = await failureOf(run(commandTask({ name: "die", command: sh("kill -SEGV $$") })));
  expect(error).toMatchObject({ code: "COMMAND_FAILED", signal: "SIGSEGV", final: false });
  expect(error).toMatchObject({ exitCode: undefined, message: "sh was ended by SIGSEGV." });
});

test("command: what cannot be found or executed fails for good and says what is missing", async () => {
  await using folder = await openFolder();
  const file = join(folder.path, "file");
  await writeFile(file, "#!/bin/sh\n");
  await writeFile(join(folder.path, "broken"), "#!/nowhere/interpreter\n", { mode: 0o755 });
  await chmod(file, 0o644);
  const failing = (command: string | string[], options = {}) =>
    failureOf(run(commandTask({ name: "missing", command, ...options })));

  const missing = await failing("no-such-program --flag");
  expect(missing).toMatchObject({ code: "COMMAND_NOT_FOUND", final: true });
  expect(missing.message).toMatch(/no-such-program --flag in .*list: \[program, /);
  expect(await failing("./nothing", { cwd: folder.path })).toMatchObject({
    code: "COMMAND_NOT_FOUND",
    message: `There is no program ${folder.path}/nothing.`,
  });
  expect(await failing("true", { cwd: join(folder.path, "no") })).toMatchObject({
    code: "COMMAND_NOT_FOUND",
    message: `There is no working directory ${folder.path}/no.`,
  });
  expect(await failing("./file", { cwd: folder.path })).toMatchObject({
    code: "COMMAND_NOT_EXECUTABLE",
    final: true,
  });
  expect(await failing(["true", "x".repeat(200_000)])).toMatchObject({
    code: "COMMAND_NOT_EXECUTABLE",
    message: expect.stringContaining("too long"),
  });
  expect(await failing(join(folder.path, "broken"))).toMatchObject({
    code: "COMMAND_FAILED",
    exitCode: 127,
  });
});

test.each([
  ["no list", () => ({ program: "echo", args: "a" }), /command must/],
  ["an argument that is none", () => ({ program: "echo", args: [1] }), /command must be text/],
  ["a NUL character", () => ({ program: "echo", args: ["a\0b"] }), /NUL/],
  ["no program", () => ({ program: "" }), /begin with/],
  ["a bad variable", () => ({ program: "env", env: { "a-b": "secret" } }), /"a-b"/],
  ["too much input", () => ({ program: "cat", stdin: Buffer.alloc(16_777_217) }), /16777216/],
])("command: %s, computed, fails for good", async (_what, command, says) => {
  const error = await failureOf(run(commandTask({ name: "bad", command: command as never })));
  expect(error).toMatchObject({ code: "FINAL_ERROR", final: true });
  expect(error.message).toMatch(says);
  expect(error.message).not.toContain("secret");
});

test("command: a program over its CPU time is ended, and the failure says why", async () => {
  const task = commandTask({
    name: "spin",
    command: sh("while :; do :; done"),
    limits: { cpuSeconds: 1 },
  });
  const error = await failureOf(run(task));
  expect(error).toMatchObject({ code: "COMMAND_FAILED", signal: "SIGXCPU" });
  expect(error.message).toContain("limits.cpuSeconds");
});

test("command: a program over its memory fails, one within it does not", async () => {
  const command = (input: { mib: number }) => ({
    program: process.execPath,
    args: ["-e", `Buffer.alloc(${input.mib} * 1048576, 1); console.log("fits")`],
  });
  const limits = { memoryBytes: 400 * 1_048_576 };
  const task = commandTask({ name: "hog", command, limits, result: "text" });
  expect(await run(task, { mib: 16 })).toBe("fits");
  expect(await failureOf(run(task, { mib: 1_024 }))).toMatchObject({ code: "COMMAND_FAILED" });
});
