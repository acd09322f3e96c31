import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { APP, makePlace, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

test("idle: a task and a schedule are told that they are, and say so", async () => {
  await using place = await makePlace();
  const idle = ["--when", "idle", "--preempt"];
  const made = await place.etask("enqueue", "disk.scrub", "--id", "a", ...idle);
  expect(made).toMatchObject({ code: 0, stdout: "a" });
  await place.etask("enqueue", "disk.scrub", "--id", "b");
  const shown = await place.etask("tasks", "get", "a");
  expect(shown.stdout).toMatch(/^when {7}idle, given back for others$/m);
  expect((await place.etask("tasks", "get", "b")).stdout).not.toMatch(/^when/m);
  const queues = await place.etask("queues", "list");
  expect(queues.stdout.split("\n")[1]).toMatch(/^default +2 \(1 idle\) /);
  const schedule = await place.etask(
    ...["schedules", "create", "s", "--task", "disk.scrub", "--every", "1h", ...idle],
  );
  expect(schedule.stdout).toMatch(/^only when {3}idle, given back for others$/m);
});

test.each([
  [["enqueue", "x", "--when", "night"], "Allowed choices are always, idle"],
  [["enqueue", "x", "--preempt"], 'say when: "idle", too'],
  [
    ["worker", "--app", APP, "--concurrency", "4..2"],
    "concurrency.max must be a whole number from 4",
  ],
  [["worker", "--app", APP, "--concurrency", "2.."], "--concurrency must be a whole number"],
])("idle: %j is code 2 and says why", async (args, why) => {
  await using place = await makePlace();
  const { code, stdout, stderr } = await place.etask(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(why);
});

test("workers list: says whether idle work is taken, and between which bounds a worker scales", async () => {
  await using place = await makePlace();
  const file = join(place.directory, "until");
  await place.within((app) => app.enqueue("test.hold", { until: file }));
  const scaling = place.start("worker", "--app", APP, "--concurrency", "2..4");
  await scaling.line("stdout", (line) => line.includes("room for idle tasks changed"));
  const without = place.start("worker", "--app", APP, "--no-idle");
  await without.line("stdout", (line) => line.includes("worker started"));
  // Workers are listed by their ids, which are random.
  const list = async () => {
    const [head, ...rows] = (await place.etask("workers", "list")).stdout.split("\n");
    return [
      head,
      ...rows.sort((a, b) => Number(b.includes("(2..4)")) - Number(a.includes("(2..4)"))),
    ];
  };
  // It is written right after it was logged; how busy the machine is may change at any time.
  await expect
    .poll(list, { timeout: 30_000 })
    .toEqual([
      expect.stringMatching(/ CONCURRENCY .* IDLE WORK$/),
      expect.stringMatching(/ [234] \(2\.\.4\) .* (yes: CPU \d+ % used, memory|no: )/),
      expect.stringMatching(/ 3 .* -$/),
    ]);
  await writeFile(file, "");
  for (const worker of [scaling, without]) worker.signal("SIGTERM");
  expect((await Promise.all([scaling.ended, without.ended])).map(({ code }) => code)).toEqual([
    0, 0,
  ]);
});
