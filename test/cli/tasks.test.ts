import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { APP, jsonLines, makePlace, type Place, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

async function enqueueIn(place: Place, ...ids: readonly string[]): Promise<void> {
  await place.within(async (app) => {
    for (const id of ids) await app.enqueue("disk.format", { device: "/dev/sdb" }, { id });
  });
}

test("tasks list: an aligned table without colours, and one JSON value a line", async () => {
  await using place = await makePlace();
  await enqueueIn(place, "node-7/a", "node-7/long-id", "node-8/a");
  const words = await place.etask("tasks", "list", "--prefix", "node-7/");
  expect({ code: words.code, stderr: words.stderr }).toEqual({ code: 0, stderr: "" });
  expect(words.stdout.replace(/\d+s/g, "0s").split("\n")).toEqual([
    "ID              NAME         QUEUE    STATE    ATTEMPT  PROGRESS  AGE",
    "node-7/a        disk.format  default  pending  0        -         0s",
    "node-7/long-id  disk.format  default  pending  0        -         0s",
  ]);
  const json = await place.etask("tasks", "list", "--state", "pending", "--json");
  expect(json.stderr).toBe("");
  const tasks = jsonLines(json.stdout);
  expect(tasks.map(({ id }) => id)).toEqual(["node-7/a", "node-7/long-id", "node-8/a"]);
  expect(tasks[0]).toEqual({
    id: "node-7/a",
    name: "disk.format",
    queue: "default",
    priority: 5,
    when: "always",
    preempt: false,
    state: "pending",
    attempt: 0,
    generation: 1,
    snoozed: 0,
    attempts: [],
    input: { device: "/dev/sdb" },
    headers: {},
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    revision: expect.any(Number),
  });
});

test("tasks list: says how to get the next page, which goes on after the first", async () => {
  await using place = await makePlace();
  await enqueueIn(place, "a", "b", "c");
  const first = await place.etask("tasks", "list", "--limit", "2", "--json");
  expect(jsonLines(first.stderr)).toEqual([
    { level: "note", message: "There is more: add --cursor b", cursor: "b" },
  ]);
  const next = await place.etask("tasks", "list", "--limit", "2", "--cursor", "b");
  expect(next.stdout).toMatch(/^ID.*\nc /);
  expect(next.stderr).toBe("");
});

test("tasks get: shows a task in words; one that is not there is code 1", async () => {
  await using place = await makePlace();
  await enqueueIn(place, "a");
  const { code, stdout } = await place.etask("tasks", "get", "a");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^id {9}a\nname {7}disk\.format\nqueue {6}default\n/);
  expect(stdout).toContain('\ninput      {"device":"/dev/sdb"}\n');
  const none = await place.etask("tasks", "get", "b", "--json");
  expect({ code: none.code, stdout: none.stdout }).toEqual({ code: 1, stdout: "" });
  expect(jsonLines(none.stderr)).toMatchObject([{ level: "error", code: "TASK_NOT_FOUND" }]);
});

test("tasks remove: removes what it can, and is code 1 when something was not there", async () => {
  await using place = await makePlace();
  await enqueueIn(place, "a", "b", "c");
  const words = await place.etask("tasks", "remove", "a", "x", "b");
  expect({ code: words.code, stdout: words.stdout }).toEqual({
    code: 1,
    stdout: "a removed\nb removed",
  });
  expect(words.stderr).toMatch(/^etask: There is no task x\..*\nhint: .*\(TASK_NOT_FOUND\)$/);
  const json = await place.etask("tasks", "remove", "c", "--json");
  expect(json).toMatchObject({ code: 0, stdout: '{"id":"c","removed":true}', stderr: "" });
  expect((await place.within((app) => app.backend.list())).tasks).toEqual([]);
});

test("tasks watch: shows changes in order until SIGINT, and goes on after them", async () => {
  await using place = await makePlace();
  await enqueueIn(place, "before");
  const watch = place.start("tasks", "watch", "--prefix", "node-7/", "--json");
  await watch.line("stderr", (line) => line.includes("Watching changes after revision"));
  await enqueueIn(place, "node-7/a", "node-8/a", "node-7/b");
  await watch.line("stdout", (line) => line.includes("node-7/b"));
  watch.signal("SIGINT");
  const ended = await watch.ended;
  expect(ended.code).toBe(0);
  const seen = jsonLines(ended.stdout);
  expect(seen).toMatchObject([
    { id: "node-7/a", kind: "enqueued", task: { id: "node-7/a", state: "pending" } },
    { id: "node-7/b", kind: "enqueued", task: { id: "node-7/b", state: "pending" } },
  ]);
  const revision = seen[1]?.revision as number;
  expect(jsonLines(ended.stderr).at(-1)).toEqual({
    level: "note",
    message: `Stopped. Another watch goes on with --after ${revision}`,
    revision,
  });

  await place.within((app) => app.backend.remove("node-7/a"));
  const again = place.start("tasks", "watch", "--after", `${revision}`);
  const line = await again.line("stdout", () => true);
  expect(line).toMatch(/^\d+ {2}removed {3}node-7\/a$/);
  again.signal("SIGTERM");
  expect((await again.ended).code).toBe(0);
});

test("tasks watch: when its reader goes away it ends quietly", async () => {
  await using place = await makePlace();
  const watch = place.start("tasks", "watch");
  await watch.line("stderr", (line) => line.includes("Watching"));
  watch.child.stdout?.destroy();
  await enqueueIn(place, "a");
  const { code, stderr } = await watch.ended;
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/^Watching changes after revision \d+\.$/),
  });
});

test("tasks log: follows a task to its end, then shows what is kept", async () => {
  await using place = await makePlace();
  const until = join(place.directory, "until");
  await place.within((app) => app.enqueue("test.hold", { until }, { id: "h" }));
  const follow = place.start("tasks", "log", "h", "--follow");
  const worker = place.start("worker", "--app", APP);
  expect(await follow.line("stdout", () => true)).toMatch(/^\d{4}-\S+Z #1 holding$/);
  await writeFile(until, "");
  const { code, stdout } = await follow.ended;
  expect(code).toBe(0);
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(25)),
  ).toEqual(["#1 holding", "#1 let go", "#1 in two lines"]);
  worker.signal("SIGTERM");
  await worker.ended;
  const json = await place.etask("tasks", "log", "h", "--after", "1", "--json");
  expect(jsonLines(json.stdout)).toEqual([
    { line: 2, at: expect.any(String), attempt: 1, text: "in two lines" },
  ]);
  const none = await place.etask("tasks", "log", "nope");
  expect(none.code).toBe(1);
  expect(none.stderr).toContain("TASK_NOT_FOUND");
});
