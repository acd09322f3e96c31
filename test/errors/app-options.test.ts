import { describe, expect, test } from "vitest";
import {
  type App,
  BaseTask,
  createApp,
  defineTask,
  openStore,
  type TaskDefinition,
} from "../../src/index.ts";
import { openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { openEtcdStore } from "../../src/store/etcd/index.ts";
import { createMemoryStorage } from "../../src/testing/index.ts";
import { echo, expectInvalid, setup, unchecked } from "./options-support.ts";
import { openMemoryApp, refusal } from "./refusal.ts";

describe("options with a mistake in their name", () => {
  const known = "; known options: ";
  const address = { endpoints: [{ host: "127.0.0.1", port: 2379 }] };

  test.each<[string, (app: App) => unknown]>([
    ["createApp", () => createApp(unchecked({ store: "memory:", taks: [] }))],
    ["openStore", () => openStore("memory:", unchecked({ taks: 1 }))],
    ["defineTask", () => defineTask(unchecked({ name: "a", run: () => {}, taks: 3 }))],
    ["delay", () => echo.delay(1, unchecked({ taks: 1 }))],
    ["delay", () => echo.delayMany([1], unchecked({ taks: 1 }))],
    ["delay", () => echo.delayMany([1], () => unchecked({ taks: 1 }))],
    ["delay", (app) => app.enqueue("echo", 1, unchecked({ taks: 1 }))],
    ["delay", (app) => app.enqueue("other", 1, unchecked({ taks: 1 }))],
    ["retry", () => echo.delay(1, { retry: unchecked({ taks: 1 }) })],
    ["retention", () => echo.delay(1, { retention: unchecked({ taks: 1 }) })],
    ["worker", (app) => app.createWorker(unchecked({ taks: 1 }))],
    ["worker.run", (app) => app.createWorker().run(unchecked({ taks: 1 }))],
    ["result", (app) => app.handle("a").result(unchecked({ taks: 1 }))],
    ["settle", (app) => app.handle("a").settle(unchecked({ taks: 1 }))],
    ["watch", (app) => app.handle("a").watch(unchecked({ taks: 1 }))],
    ["watch", (app) => app.backend.watch(unchecked({ taks: 1 }))],
    ["list", (app) => app.backend.list(unchecked({ taks: 1 }))],
    ["update", (app) => app.backend.update({ id: "a", fence: 1 }, unchecked({ taks: 1 }))],
    ["list", (app) => app.broker.list(unchecked({ taks: 1 }))],
    ["update", (app) => app.broker.update("a", unchecked({ taks: 1 }))],
    ["openEmbeddedStore", () => openEmbeddedStore(unchecked({ directory: "a", taks: 1 }))],
    ["openEtcdStore", () => openEtcdStore(unchecked({ endpoints: [], taks: 1 }))],
    ["tls", () => openEtcdStore({ ...address, tls: unchecked({ taks: 1 }) })],
    ["createMemoryStorage", () => createMemoryStorage(unchecked({ taks: 1 }))],
  ])("%s has no option taks, and says which it has", async (what, act) => {
    await using app = await setup();
    await expectInvalid(app, () => act(app), what, 'has no option "taks"', known);
  });

  test.each<[string, (app: App, given: never) => unknown]>([
    ["createApp", (_, given) => createApp(given)],
    ["openStore", (_, given) => openStore("memory:", given)],
    ["defineTask", (_, given) => defineTask(given)],
    ["delay", (_, given) => echo.delay(1, given)],
    ["delay", (_, given) => echo.delayMany([1], () => given)],
    ["retry", (_, retry) => echo.delay(1, { retry })],
    ["worker", (app, given) => app.createWorker(given)],
    ["settle", (app, given) => app.handle("a").settle(given)],
    ["watch", (app, given) => app.backend.watch(given)],
    ["list", (app, given) => app.backend.list(given)],
    ["list", (app, given) => app.broker.list(given)],
    ["update", (app, given) => app.broker.update("a", given)],
  ])("%s takes an object of options and nothing else", async (what, act) => {
    await using app = await setup();
    for (const given of [null, "a", 5, ["a"]]) {
      await expectInvalid(app, () => act(app, unchecked(given)), what, "must be an object");
    }
  });
});

describe("tasks and stores of an app", () => {
  class ByClass extends BaseTask<unknown, unknown> {
    readonly name = "by.class";
    run(input: unknown) {
      return input;
    }
  }

  test.each([["a task"], [{}], [ByClass], [null], [() => {}], [{ name: "a", run() {} }]])(
    "%o is no task",
    async (given) => {
      const act = () => createApp({ store: "memory:", tasks: [unchecked(given)] });
      await expectInvalid(undefined, act, "tasks must hold tasks made with defineTask", "got ");
    },
  );

  test.each([[echo], ["echo"], [{}], [new Set([echo])]])(
    "%o is no list of tasks",
    async (given) => {
      const act = () => createApp({ store: "memory:", tasks: unchecked(given) });
      await expectInvalid(undefined, act, "tasks must be a list of tasks");
    },
  );

  test.each([7, true, {}, [], () => {}])("%o is no store", async (given) => {
    const act = () => createApp({ store: unchecked(given) });
    await expectInvalid(undefined, act, "store must be a store URL or an open store", "got ");
  });

  test.each([undefined, "run", {}])("a task cannot be run by %o", async (run) => {
    const act = () => defineTask(unchecked({ name: "a", run }));
    await expectInvalid(undefined, act, "run must be a function", "got ");
  });

  test.each([{}, "schema", { validate: () => true }, null])("%o is no schema", async (input) => {
    const given = { name: "a", run: () => {}, input } as unknown as TaskDefinition<1, 1, 1>;
    const act = () => createApp({ store: "memory:", tasks: [defineTask(given)] });
    await expectInvalid(undefined, act, "input must be a Standard Schema", "got ");
  });

  test.each([undefined, "", 7, "a\0b"])("%o is no directory of a store", async (directory) => {
    const act = () => openEmbeddedStore({ directory: unchecked(directory) });
    await expectInvalid(undefined, act, "directory must be the path of one; got ");
  });

  test.each([[undefined], [[]], ["h:2379"], [{}]])("%o are no etcd servers", async (endpoints) => {
    const act = () => openEtcdStore({ endpoints: unchecked(endpoints) });
    await expectInvalid(undefined, act, "endpoints must name at least one etcd server");
  });

  test("two tasks of one name are refused, the same one twice is not", async () => {
    const other = defineTask({ name: "echo", run: () => {} });
    const { code, message } = await refusal(() =>
      createApp({ store: "memory:", tasks: [echo, other] }),
    );
    expect(code).toBe("TASK_DUPLICATE");
    expect(message).toContain("echo");
    await using app = await openMemoryApp({ tasks: [echo, echo] });
    expect(app.registry.names).toEqual(["echo"]);
  });

  test("a worker of an app without tasks is refused", async () => {
    await using app = await openMemoryApp();
    await expectInvalid(app, () => app.createWorker(), "list them in createApp({ tasks })");
  });

  test("an unknown task may be enqueued by name, but not looked up", async () => {
    await using app = await setup();
    expect((await app.enqueue("elsewhere.known")).created).toBe(true);
    const { code, message } = await refusal(() => app.registry.get("ecko"), app.store);
    expect(code).toBe("UNKNOWN_TASK");
    expect(message).toContain('"ecko"');
    expect(message).toContain("known tasks: echo");
  });

  test("a task of no open app cannot be enqueued", async () => {
    const task = defineTask({ name: "lonely", run: (_: unknown) => {} });
    const unbound = async () => {
      for (const act of [() => task.delay(1), () => task.delayMany([1])]) {
        const { code, message } = await refusal(act);
        expect(code).toBe("TASK_UNBOUND");
        expect(message).toMatch(/lonely .*createApp\(\{ tasks/);
      }
    };
    await unbound();
    const app = await openMemoryApp({ tasks: [task] });
    await task.delay(1);
    await app.close();
    await unbound();
  });
});
