import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { APP, jsonLines, makePlace, type Place, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

const schedules = (place: Place, ...args: string[]) => place.etask("schedules", ...args);

test("schedules: one is created, listed, shown, paused, resumed and removed", async () => {
  await using place = await makePlace();
  const zone = ["--time-zone", "Europe/Berlin", "--dst-missing", "skip"];
  const made = await schedules(
    place,
    ...["create", "nightly", "--task", "disk.scrub", "--cron", "0 3 1 1 *", ...zone],
    ...["--input", '{"node":"n7"}', "--jitter", "5m", "--header", "a=b", "--attempts", "3"],
  );
  expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: "" });
  expect(made.stdout).toContain("when        0 3 1 1 * Europe/Berlin\n");
  expect(made.stdout).toContain("dst         missing times skip, repeated times first\n");
  expect(made.stdout).toMatch(/next run {4}20\d\d-01-01T02:00:00Z/);

  const list = await schedules(place, "list");
  expect(list.stdout.split("\n")[0]).toMatch(
    /^NAME +TASK +WHEN +NEXT RUN +LAST RUN +STATE +FIRED$/,
  );
  expect(list.stdout).toMatch(/\nnightly +disk.scrub +0 3 1 1 \* Europe\/Berlin +20\d\d-01-01T02/);

  const paused = await schedules(place, "pause", "nightly", "--reason", "new disks", "--by", "me");
  expect(paused.stdout).toBe("nightly paused");
  const shown = await schedules(place, "get", "nightly");
  expect(shown.stdout).toMatch(/\npaused +since \S+ by me: new disks\n/);
  const resumed = await schedules(place, "resume", "nightly");
  expect(resumed.stdout).toMatch(/^nightly runs next at 20\d\d-01-01T02:00:00Z$/);
  expect((await schedules(place, "remove", "nightly")).stdout).toBe("nightly removed");
  expect((await schedules(place, "list")).stderr).toBe("No schedules.");
});

test("schedules: everything is said in JSON, and a schedule is replaced only when told to", async () => {
  await using place = await makePlace();
  const create = ["create", "s", "--task", "t", "--json"];
  const [made] = jsonLines((await schedules(place, ...create, "--every", "1h")).stdout);
  expect(made).toMatchObject({ name: "s", task: "t", every: 3_600_000, overlap: "skip", fired: 0 });
  const again = await schedules(place, ...create, "--every", "2h");
  expect([again.code, again.stdout]).toEqual([1, ""]);
  expect(jsonLines(again.stderr)).toEqual([expect.objectContaining({ code: "SCHEDULE_EXISTS" })]);
  const replaced = await schedules(place, ...create, "--every", "2h", "--replace");
  expect(jsonLines(replaced.stdout)[0]).toMatchObject({ every: 7_200_000 });
  const [triggered] = jsonLines((await schedules(place, "trigger", "s", "--json")).stdout);
  expect(triggered?.id).toMatch(/^s@trigger-[0-9A-Z]{26}$/);
  const [listed] = jsonLines((await schedules(place, "list", "--json")).stdout);
  expect(listed).toMatchObject({ runs: [{ id: triggered?.id, state: "pending" }], fired: 1 });
});

test("schedules preview: shows the runs of what exists and of what is thought of", async () => {
  await using place = await makePlace();
  const zone = ["--time-zone", "Europe/Berlin", "--start", "2030-03-30T00:00Z"];
  const thought = await schedules(
    place,
    "preview",
    "--cron",
    "30 2 * * *",
    ...zone,
    "--count",
    "3",
  );
  expect(thought.stdout.split("\n")).toEqual([
    "2030-03-30T01:30:00Z  Sat 30 Mar, 02:30:00 CET",
    "2030-03-31T01:30:00Z  Sun 31 Mar, 03:30:00 CEST",
    "2030-04-01T00:30:00Z  Mon 01 Apr, 02:30:00 CEST",
  ]);
  await place.within((app) =>
    app.schedules.create("s", { task: "t", every: "1d", start: "2040-01-01T00:00:00Z" }),
  );
  const stored = await schedules(place, "preview", "s", "--count", "2", "--json");
  expect(jsonLines(stored.stdout)).toEqual([
    { run: "2040-01-01T00:00:00.000Z" },
    { run: "2040-01-02T00:00:00.000Z" },
  ]);
});

test("schedules: a bad expression is code 2 and says where it is bad", async () => {
  await using place = await makePlace();
  const bad = await schedules(place, "create", "s", "--task", "t", "--cron", "0 25 * * *");
  expect(bad.code).toBe(2);
  expect(bad.stderr).toContain('the hour "25" at position 3');
  expect(bad.stderr).toContain("(INVALID_SCHEDULE)");
  const none = await schedules(place, "preview");
  expect([none.code, none.stderr]).toEqual([
    2,
    expect.stringContaining("either a schedule's name"),
  ]);
  const gone = await schedules(place, "remove", "s", "--json");
  expect([gone.code, jsonLines(gone.stderr)[0]?.code]).toEqual([1, "SCHEDULE_NOT_FOUND"]);
  const input = ["--input", '["x"]', "--app", APP];
  const wrong = await schedules(
    place,
    "create",
    "s",
    "--task",
    "math.sum",
    "--every",
    "1h",
    ...input,
  );
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("(INVALID_INPUT)")]);
});

test("schedules: those that an app module declares are stored and run by its worker", async () => {
  await using place = await makePlace();
  const etask = new URL("../../src/index.ts", import.meta.url).href;
  const file = join(place.directory, "declared.mjs");
  await writeFile(
    file,
    `import { defineSchedule, defineTask } from ${JSON.stringify(etask)};
     export const tick = defineTask({ name: "tick", run: () => 1 });
     export const often = defineSchedule({ name: "often", task: tick, every: "1s" });`,
  );
  const worker = place.start("worker", "--app", file, "--log-level", "debug", "--json");
  await worker.line("stdout", (line) => line.includes("task finished") || line.includes("often@"));
  worker.signal("SIGTERM");
  await worker.ended;
  const shown = await schedules(place, "get", "often", "--json");
  expect(jsonLines(shown.stdout)[0]).toMatchObject({ declared: { app: "default", version: 0 } });
});
