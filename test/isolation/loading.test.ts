/** Which module a runner loads, and what is said at the start of a worker when it cannot. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { defineTask, type RegisteredTask } from "../../src/task/task.ts";
import { makeDirectory } from "../embedded/directory.ts";
import { hiddenTask, tasks as listed } from "./fixtures/hidden.ts";
import { greeting, instance } from "./fixtures/made.ts";
import { licensed } from "./fixtures/throws.ts";
import { startWorker } from "./support.ts";
import { actors, inline } from "./tasks.ts";

async function refusal(...tasks: readonly RegisteredTask[]): Promise<Error> {
  const outcome = await startWorker(tasks).catch((error: unknown) => error);
  if (outcome instanceof Error) return outcome;
  throw new Error("The worker started.");
}

test("loading: a task is found by itself, in a list, and made by another module", async () => {
  await using _world = await startWorker([...listed, greeting, instance]);
  for (const [task, said] of [
    [listed[0], "found"],
    [greeting, "hello from loading.made"],
    [instance, "hello from loading.instance"],
  ] as const) {
    expect(await (await task?.delay())?.result()).toBe(said);
  }
});

test("loading: a task that its module does not export is named at the start", async () => {
  const error = await refusal(hiddenTask());
  expect(error).toMatchObject({ name: "TaskNotLoadableError", code: "TASK_NOT_LOADABLE" });
  expect(error.message).toMatch(
    /^Task loading\.hidden cannot be .*: module .*\/hidden\.ts does not export it, but the tasks loading\.listed\. Export/,
  );
});

test("loading: a module that throws is named with what it threw", async () => {
  const error = await refusal(licensed);
  expect(error).toMatchObject({
    code: "TASK_NOT_LOADABLE",
    cause: { message: "no licence found" },
  });
  expect(error.message).toMatch(
    /module .*\/throws\.ts threw while it was loaded: no licence found/,
  );
});

test("loading: a module that is not there, and a task of unknown origin", async () => {
  const module = "/nowhere/tasks.js";
  const lost = defineTask({ name: "lost", isolate: { kind: "process", module }, run: () => 1 });
  Object.defineProperty(lost, "origin", { value: "" });
  expect((await refusal(lost)).message).toContain(`there is no module ${module}`);
  const orphan = defineTask({ name: "orphan", isolate: "thread", run: () => 1 });
  Object.defineProperty(orphan, "origin", { value: "" });
  expect((await refusal(orphan)).message).toContain("it is not known where it was defined");
});

test("loading: all tasks that cannot be loaded are named at once", async () => {
  const { message } = await refusal(
    hiddenTask(),
    inline,
    ...actors.map(([, task]) => task),
    licensed,
  );
  expect(message.split("\n")).toEqual([
    expect.stringContaining("Task loading.hidden"),
    expect.stringContaining("Task loading.throws"),
  ]);
});

test("loading: the module that the definition names goes first", async () => {
  const module = new URL("./fixtures/hidden.ts", import.meta.url).href;
  const named = defineTask({
    name: "loading.listed",
    isolate: { kind: "thread", module },
    run: () => "here",
  });
  await using _world = await startWorker([named]);
  expect(await (await named.delay()).result()).toBe("found");
});

test("loading: a program in one file is told to keep its worker apart from its tasks", async () => {
  await using made = await makeDirectory();
  const program = fileURLToPath(new URL("./fixtures/single.ts", import.meta.url));
  const env = { ...process.env, ETASK_STORE: `embedded:${made.directory}` };
  const run = promisify(execFile)(process.execPath, ["--import", "tsx", program], { env });
  const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => error);
  const said = stdout.trim().split("\n").at(-1) ?? "";
  expect(said, stderr).toMatch(/^\{/);
  expect(JSON.parse(said)).toMatchObject({
    code: "TASK_NOT_LOADABLE",
    message: expect.stringContaining("keep what starts workers in another module"),
  });
});

test("loading: isolate is a thing of the definition alone", async () => {
  await using world = await startWorker([inline]);
  const options = { isolate: "thread" } as object;
  await expect(inline.delay({ act: "where" }, options)).rejects.toMatchObject({
    code: "INVALID_OPTIONS",
    message: expect.stringContaining('no option "isolate"'),
  });
  expect(() => world.app.createWorker({ isolation: { memory: "1KiB" } })).toThrow(
    "isolation.memory must be from 192 MiB to 64 GiB",
  );
});
