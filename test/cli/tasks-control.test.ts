import { expect, test, vi } from "vitest";
import { APP, jsonLines, makePlace, type Place, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

/** Lets a worker run until the tasks have ended. */
async function runAll(place: Place, ids: readonly string[]): Promise<void> {
  const worker = place.start("worker", "--app", APP, "--queue", "default", "other");
  await place.within(async (app) => {
    await Promise.all(ids.map((id) => app.handle(id).settle({ timeout: "30s" })));
  });
  worker.signal("SIGTERM");
  await worker.ended;
}

test("tasks cancel: says of each what became of it, and of an unknown one that it is none", async () => {
  await using place = await makePlace();
  await place.within((app) => app.enqueue("disk.format", 1, { id: "a", in: "1h" }));
  const first = await place.etask("tasks", "cancel", "a", "x", "--reason", "old", "--by", "anna");
  expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 1, stdout: "a cancelled" });
  expect(first.stderr).toMatch(/There is no task x\..*\n.*\(TASK_NOT_FOUND\)$/);
  const again = await place.etask("tasks", "cancel", "a");
  expect(again).toMatchObject({
    code: 0,
    stdout: "a had ended before as cancelled, nothing was changed",
  });
  const json = await place.etask("tasks", "cancel", "a", "--json");
  expect(jsonLines(json.stdout)).toEqual([
    { id: "a", outcome: "ended", state: "cancelled", revision: expect.any(Number) },
  ]);
  const { stdout } = await place.etask("tasks", "get", "a");
  expect(stdout).toMatch(/\ncancel {5}wanted at .*Z by anna: old\n/);
});

test("tasks edit: changes a waiting task at once, and no other", async () => {
  await using place = await makePlace();
  await place.within((app) => app.enqueue("math.sum", [1], { id: "a", in: "1h" }));
  const wrong = await place.etask("tasks", "edit", "a", "--app", APP, "--input", '["x"]');
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/does not fit its schema/);
  const none = await place.etask("tasks", "edit", "a");
  expect(none.code).toBe(2);
  const options = ["--input", "[1,2]", "--priority", "9", "--queue", "other", "--in", "0"];
  const edited = await place.etask("tasks", "edit", "a", ...options);
  expect(edited).toMatchObject({ code: 0, stdout: "a changed", stderr: "" });
  await place.within(async (app) => {
    expect(await app.backend.get("a")).toMatchObject({
      state: "pending",
      queue: "other",
      priority: 9,
      input: [1, 2],
    });
  });
  await runAll(place, ["a"]);
  const late = await place.etask("tasks", "edit", "a", "--priority", "1", "--json");
  expect(late.code).toBe(1);
  expect(jsonLines(late.stderr)).toMatchObject([{ code: "TASK_ENDED" }]);
});

/** A place in which tasks have failed. */
async function makePlaceOfFailures(): Promise<Place> {
  const place = await makePlace();
  await place.within(async (app) => {
    for (const id of ["f1", "f2"]) await app.enqueue("test.fail", 1, { id });
    await app.enqueue("math.sum", ["x"], { id: "s1" });
  });
  await runAll(place, ["f1", "f2", "s1"]);
  return place;
}

test("tasks failed: shows dead letters with their reasons, chosen by filters", async () => {
  await using place = await makePlaceOfFailures();
  const failed = await place.etask("tasks", "failed", "--reason", "error");
  expect(failed.stdout.split("\n")[0]).toMatch(/^ID +NAME +QUEUE +REASON +ATTEMPT +AGE +ERROR$/);
  expect(failed.stdout).toMatch(/\nf1 +test\.fail +default +error +1 +\d+s +Error: the disk is/);
  const dry = await place.etask("tasks", "retry", "--error", "InvalidInputError", "--dry-run");
  expect(dry).toMatchObject({ code: 0, stdout: "s1", stderr: "1 would run once more." });
});

test("tasks retry: by filter and by id, with another input, and never all by mistake", async () => {
  await using place = await makePlaceOfFailures();
  const none = await place.etask("tasks", "retry");
  expect({ code: none.code, stdout: none.stdout }).toEqual({ code: 2, stdout: "" });
  const corrected = ["--input", "[20,22]", "--app", APP, "--to-queue", "other"];
  const one = await place.etask("tasks", "retry", "s1", ...corrected);
  expect(one).toMatchObject({ code: 0, stdout: "s1 runs once more, generation 2" });
  const again = await place.etask("tasks", "retry", "s1", "--json");
  expect(again.code).toBe(1);
  expect(jsonLines(again.stderr)).toMatchObject([{ code: "TASK_NOT_ENDED" }]);
  const many = await place.etask("tasks", "retry", "--name", "test.fail", "--json");
  expect(jsonLines(many.stdout)).toEqual([
    { retried: 2, skipped: 0, ids: ["f1", "f2"], more: false, dryRun: false },
  ]);
  await runAll(place, ["f1", "f2", "s1"]);
  const { stdout } = await place.etask("tasks", "get", "f1");
  expect(stdout).toMatch(/\ngeneration +2\n/);
  expect(stdout).toMatch(/\n#1 +failed \S+Z after \d+\w+ on \w+: Error: the disk/);
  expect(stdout).toMatch(/\n#2 +failed /);
  await place.within(async (app) => {
    expect(await app.handle("s1").result()).toBe(42);
  });
});

test("enqueue: takes times, and says what is wrong with them", async () => {
  await using place = await makePlace();
  const times = ["--in", "1h", "--expires-in", "2h", "--timeout", "5s", "--total-timeout", "3h"];
  expect((await place.etask("enqueue", "x", "--id", "a", ...times)).code).toBe(0);
  await place.within(async (app) => {
    const view = await app.backend.get("a");
    expect(view?.state).toBe("scheduled");
    const created = view?.createdAt.getTime() ?? 0;
    expect(view?.dueAt?.getTime()).toBe(created + 3_600_000);
    expect(view?.expiresAt?.getTime()).toBe(created + 7_200_000);
    expect(view?.deadlineAt?.getTime()).toBe(created + 4 * 3_600_000);
  });
  const wrong = await place.etask("enqueue", "x", "--at", "2030-01-31 09:00");
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/ISO 8601 with a zone/);
});
