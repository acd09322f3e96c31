import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { APP, jsonLines, makePlace, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

test("enqueue: prints the id alone, and the task is there with all that was said", async () => {
  await using place = await makePlace();
  const { code, stdout, stderr } = await place.etask(
    ...["enqueue", "math.sum", "--input", "[1,2]", "--id-prefix", "node-7/", "--queue", "math"],
    ...["--priority", "9", "--header", "trace=a=b", "--header", "empty="],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^node-7\/[0-9A-Z]{26}$/);
  expect(await place.within((app) => app.backend.get(stdout))).toMatchObject({
    id: stdout,
    name: "math.sum",
    input: [1, 2],
    queue: "math",
    priority: 9,
    headers: { trace: "a=b", empty: "" },
    state: "pending",
  });
});

test("enqueue: the input may come from a file or from stdin", async () => {
  await using place = await makePlace();
  await writeFile(join(place.directory, "input.json"), '\ufeff{"from":"file"}\n');
  const file = await place.etask("enqueue", "x", "--input", "@input.json", "--id", "file");
  const input = '{"from":"stdin"}';
  const stdin = await place.etaskWith({ input }, "enqueue", "x", "--input", "-", "--id", "stdin");
  const none = await place.etask("enqueue", "x", "--id", "none");
  expect([file.code, stdin.code, none.code]).toEqual([0, 0, 0]);
  const { tasks } = await place.within((app) => app.backend.list());
  expect(tasks.map(({ id, input: stored }) => [id, stored])).toEqual([
    ["file", { from: "file" }],
    ["none", undefined],
    ["stdin", { from: "stdin" }],
  ]);
});

test("enqueue: an id that exists is said to, and no second task is made", async () => {
  await using place = await makePlace();
  const args = ["enqueue", "x", "--id", "once"];
  await place.within((app) => app.enqueue("x", undefined, { id: "once" }));
  const again = await place.etask(...args);
  expect(again).toMatchObject({
    code: 0,
    stdout: "once",
    stderr: "task once exists already; not created again",
  });
  const json = await place.etask(...args, "--json");
  expect(json.code).toBe(0);
  expect(jsonLines(json.stdout)).toEqual([
    { id: "once", created: false, revision: expect.any(Number) },
  ]);
  expect(jsonLines(json.stderr)).toEqual([
    { level: "note", message: "task once exists already; not created again", id: "once" },
  ]);
});

test("enqueue: with an app, an unfit input and an unknown name are refused", async () => {
  await using place = await makePlace();
  const unfit = await place.etask("enqueue", "math.sum", "--app", APP, "--input", '["one"]');
  expect({ code: unfit.code, stdout: unfit.stdout }).toEqual({ code: 2, stdout: "" });
  expect(unfit.stderr).toMatch(/does not fit its schema: 0: .*\(INVALID_INPUT\)/s);

  const unknown = await place.etask("enqueue", "math.summ", "--app", APP, "--json");
  expect({ code: unknown.code, stdout: unknown.stdout }).toEqual({ code: 2, stdout: "" });
  expect(jsonLines(unknown.stderr)).toMatchObject([
    { level: "error", code: "UNKNOWN_TASK", message: expect.stringContaining("math.sum, test.") },
  ]);
  expect((await place.within((app) => app.backend.list())).tasks).toEqual([]);
});

test("enqueue --wait: a result is printed after the id", async () => {
  await using place = await makePlace();
  const worker = place.start("worker", "--app", APP);
  const args = ["enqueue", "math.sum", "--input", "[1,2,3]", "--wait"];
  const [words, json] = await Promise.all([
    place.etask(...args, "--id", "words"),
    place.etask(...args, "--id", "json", "--json"),
  ]);
  expect(words).toMatchObject({ code: 0, stdout: "words\n6", stderr: "" });
  expect(json.code).toBe(0);
  expect(jsonLines(json.stdout)).toEqual([
    { id: "json", created: true, revision: expect.any(Number) },
    { id: "json", state: "succeeded", result: 6 },
  ]);
  worker.signal("SIGTERM");
  expect((await worker.ended).code).toBe(0);
});

test("enqueue --wait: a failure is code 1, and its message cannot steer the terminal", async () => {
  await using place = await makePlace();
  place.start("worker", "--app", APP);
  const args = ["enqueue", "test.fail", "--wait"];
  const [words, json] = await Promise.all([
    place.etask(...args, "--id", "words"),
    place.etask(...args, "--id", "json", "--json"),
  ]);
  expect({ code: words.code, stdout: words.stdout }).toEqual({ code: 1, stdout: "words" });
  expect(words.stderr).toContain(
    "etask: Task words failed: Error: the disk is on fire \ufffd[31m\n",
  );
  expect(words.stderr).toContain("(TASK_FAILED)");
  expect(words.stderr).not.toMatch(/^ +at /m);
  expect(json.code).toBe(1);
  expect(jsonLines(json.stderr)).toMatchObject([
    {
      level: "error",
      code: "TASK_FAILED",
      failure: { name: "Error", message: "the disk is on fire \u001b[31m" },
    },
  ]);
  expect(json.stderr).not.toContain("stack");
});

test("enqueue --wait: when the time is over the code is 1, and the task goes on", async () => {
  await using place = await makePlace();
  const args = ["enqueue", "x", "--id", "slow", "--wait", "--wait-timeout", "50ms"];
  const { code, stdout, stderr } = await place.etask(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "slow" });
  expect(stderr).toContain("(WAIT_TIMEOUT)");
  const task = await place.within((app) => app.backend.get("slow"));
  expect(task?.state).toBe("pending");
});

test("enqueue: with --unique, the id of the task that has the key is printed, and tasks get shows it", async () => {
  await using place = await makePlace();
  const first = await place.etask("enqueue", "disk.scan", "--unique", "sdb");
  const second = await place.etask("enqueue", "disk.scan", "--unique", "sdb");
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(second.stdout).toBe(first.stdout);
  expect(second.stderr).toBe(`task ${first.stdout} exists already; not created again`);
  const shown = await place.etask("tasks", "get", first.stdout);
  expect(shown.stdout).toMatch(/^unique +sdb$/m);
  const other = await place.etask("enqueue", "disk.wipe", "--unique", "sdb");
  expect(other.stdout).not.toBe(first.stdout);
  const bad = await place.etask("enqueue", "disk.scan", "--unique", "s d b");
  expect(bad.code).toBe(2);
  expect(bad.stderr).toContain("unique must have 1 to 200 characters");
});
