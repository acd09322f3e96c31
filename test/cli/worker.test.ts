import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test, vi } from "vitest";
import { APP, jsonLines, makePlace, type Place, PROCESSES_MS, type Running } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

const INDEX = pathToFileURL(join(import.meta.dirname, "../../src/index.ts")).href;

const started = (line: string) => line.includes("worker started");
const stopping = (line: string) => line.includes("stopping");

/** Starts a worker and lets it run one task that ends when the file is there. */
async function holdOne(
  place: Place,
  ...args: string[]
): Promise<{ worker: Running; file: string }> {
  const file = join(place.directory, "until");
  await place.within((app) => app.enqueue("test.hold", { until: file }, { id: "held" }));
  const worker = place.start("worker", "--app", APP, "--log-level", "debug", ...args);
  await worker.line("stdout", (line) => line.includes("task taken"));
  return { worker, file };
}

test("worker: SIGTERM lets running tasks end, then the code is 0", async () => {
  await using place = await makePlace();
  const { worker, file } = await holdOne(place);
  worker.signal("SIGTERM");
  // What sends to a whole process group often sends to us once more.
  worker.signal("SIGTERM");
  await worker.line("stdout", stopping);
  await writeFile(file, "");
  const { code, stdout, stderr } = await worker.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const task = await place.within((app) => app.backend.get("held"));
  expect(task).toMatchObject({ state: "succeeded", result: "held", attempt: 1 });

  const log = jsonLines(stdout);
  const events = log.flatMap(({ event }) => (event === undefined ? [] : [event]));
  const ofBeat = (event: unknown) => String(event).startsWith("etask:beat:");
  // Whether the host has room is known a second after the start, if the worker lives so long.
  const ofRoom = (event: unknown) => event === "etask:worker:room";
  expect(events.filter((event) => !ofBeat(event) && !ofRoom(event))).toEqual([
    "etask:worker:started",
    "etask:task:taken",
    "etask:task:finished",
    "etask:worker:stopped",
  ]);
  expect(events.filter(ofBeat)).toEqual(["etask:beat:elected", "etask:beat:resigned"]);
  expect(log.find(({ event }) => event === "etask:worker:started")).toMatchObject({
    level: "info",
    msg: "worker started",
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    kinds: ["math.sum", "test.fail", "test.hold"],
    queues: ["default"],
  });
  expect(stdout).not.toContain("never logged");
  expect(stdout).not.toContain(file);
});

test("worker: what does not end within --drain goes back to its queue", async () => {
  await using place = await makePlace();
  const { worker } = await holdOne(place, "--drain", "0");
  worker.signal("SIGINT");
  const { code, stdout } = await worker.ended;
  expect(code).toBe(0);
  const stopped = jsonLines(stdout).find(({ event }) => event === "etask:worker:stopped");
  expect(stopped).toMatchObject({ released: 1 });
  const task = await place.within((app) => app.backend.get("held"));
  expect(task).toMatchObject({ state: "pending", attempt: 0 });
});

for (const [name, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const) {
  test(`worker: a second ${name} ends it at once with ${code}`, async () => {
    await using place = await makePlace();
    const { worker } = await holdOne(place);
    worker.signal(name);
    await worker.line("stdout", stopping);
    // Whoever is impatient presses again and again.
    const pressing = setInterval(() => worker.signal(name), 100);
    const ended = await worker.ended;
    clearInterval(pressing);
    expect(ended.code).toBe(code);
  });
}

test("worker: options that are wrong are code 2, an app without tasks too", async () => {
  await using place = await makePlace();
  await writeFile(join(place.directory, "empty.mjs"), "export const helper = () => 1;");
  const empty = await place.etask("worker", "--app", "empty.mjs");
  expect(empty.code).toBe(2);
  expect(empty.stderr).toMatch(/exports no task.*it exports helper/);
  const ttl = await place.etask("worker", "--app", APP, "--lease-ttl", "1ms");
  expect({ code: ttl.code, stdout: ttl.stdout }).toEqual({ code: 2, stdout: "" });
  expect(ttl.stderr).toMatch(/leaseTtl must be .*\(INVALID_OPTIONS\)/s);
});

const SOURCES = {
  "TypeScript in an ES package": ["app.ts", '{"type":"module"}'],
  "TypeScript in a package that says nothing": ["app.ts", undefined],
  "TypeScript that says itself what it is": ["app.mts", undefined],
} as const;

for (const [what, [file, manifest]] of Object.entries(SOURCES)) {
  test(`worker: an app in ${what} is compiled on this Node`, async () => {
    await using place = await makePlace();
    const folder = join(place.directory, "app");
    await mkdir(folder);
    if (manifest !== undefined) await writeFile(join(folder, "package.json"), manifest);
    await writeFile(join(folder, "level.ts"), "export enum Level { High = 7 }\n");
    await writeFile(
      join(folder, file),
      `import { defineTask, BaseTask } from ${JSON.stringify(INDEX)};
       import { Level } from "./level.js";
       class Twice extends BaseTask<number, number> {
         readonly name = "twice";
         constructor(private readonly factor: number) { super(); }
         run(input: number): number { return input * this.factor * Level.High; }
       }
       export { Level };
       export const list = [new Twice(2)];
       export const other = defineTask({ name: "other", run: (): void => {} });
       export default other;`,
    );
    const worker = place.start("worker", "--app", join("app", file));
    const line = await worker.line("stdout", started);
    expect(JSON.parse(line).kinds).toEqual(["other", "twice"]);
    const result = await place.within(async (app) => (await app.enqueue("twice", 3)).result());
    expect(result).toBe(42);
    worker.signal("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });
}

test("workers and queues: show who works, what waits and what runs", async () => {
  await using place = await makePlace();
  const none = await place.etask("workers", "list");
  expect(none).toMatchObject({ code: 0, stdout: "", stderr: "No live workers." });
  expect((await place.etask("queues", "list")).stderr).toMatch(/^No queues/);

  const { worker } = await holdOne(place, "--queue", "default", "mail", "--concurrency", "7");
  await place.within((app) => app.enqueue("x", undefined, { queue: "other" }));
  const { pid } = worker;
  const [workers, queues, workersJson, queuesJson] = await Promise.all([
    place.etask("workers", "list"),
    place.etask("queues", "list"),
    place.etask("workers", "list", "--json"),
    place.etask("queues", "list", "--json"),
  ]);
  expect(workers.stdout.split("\n")[0]).toMatch(
    /^ID +HOST +PID +QUEUES +KINDS +CONCURRENCY +RUNNING +SINCE +IDLE WORK$/,
  );
  expect(workers.stdout.split("\n")[1]).toContain(
    `${pid}  default,mail  math.sum,test.fail,test.hold  7            1        `,
  );
  expect(queues.stdout.replace(/\d+s +/, "0s      ").split("\n")).toEqual([
    "QUEUE    WAITING  OLDEST  RUNNING  WORKERS  TAKING",
    "default  0        -       1        1        open",
    "mail     0        -       0        1        open",
    "other    1        0s      0        0        open",
  ]);
  const [{ room }] = jsonLines(workersJson.stdout) as [{ room?: object }];
  expect(jsonLines(workersJson.stdout)).toEqual([
    {
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      host: hostname(),
      pid,
      version: expect.any(String),
      queues: ["default", "mail"],
      kinds: ["math.sum", "test.fail", "test.hold"],
      concurrency: 7,
      // Absent in its first second.
      ...(room && { room }),
      running: 1,
      runningExact: true,
      startedAt: expect.any(String),
      revision: expect.any(Number),
    },
  ]);
  expect(jsonLines(queuesJson.stdout).at(-1)).toEqual({
    queue: "other",
    waiting: 1,
    waitingIdle: 0,
    settings: {},
    oldestAt: expect.any(String),
    running: 0,
    runningExact: true,
    workers: 0,
  });
});
