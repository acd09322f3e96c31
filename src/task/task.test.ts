import { expect, test } from "vitest";
import { z } from "zod";
import type { TaskContext } from "./context.ts";
import type { EnqueueRequest, Enqueuer } from "./enqueuer.ts";
import { FinalError } from "./failure.ts";
import type { TaskHandle } from "./handle.ts";
import { Registry } from "./registry.ts";
import { runTask } from "./run-task.ts";
import { BaseTask, defineTask } from "./task.ts";

const refused = (code: string, message = "") =>
  expect.objectContaining({
    code,
    message: expect.stringContaining(message) as unknown as string,
  });

/** Notes what it is asked to enqueue. */
function createNotingEnqueuer(): Enqueuer & { readonly requests: EnqueueRequest[] } {
  const requests: EnqueueRequest[] = [];
  const handle = (id: string) => ({ id }) as TaskHandle;
  return {
    requests,
    enqueue: async (request) => {
      requests.push(request);
      return handle(request.name);
    },
    enqueueMany: async (many) => {
      requests.push(...many);
      return many.map(({ name }) => handle(name));
    },
    handle,
  };
}

const format = () =>
  defineTask({
    name: "disk.format",
    input: z.object({ device: z.string() }),
    queue: "disk",
    run: ({ device }) => ({ device }),
  });

class Reboot extends BaseTask<{ node: string }, boolean> {
  readonly name = "node.reboot";
  override readonly priority = 9;
  run({ node }: { node: string }): boolean {
    return node !== "";
  }
}

test("task: it is enqueued under its name with its options and the caller's", async () => {
  const task = format();
  const enqueuer = createNotingEnqueuer();
  task.bind(enqueuer);
  await task.delay({ device: "sdb" }, { priority: 9 });
  expect(enqueuer.requests).toMatchObject([
    { name: "disk.format", input: { device: "sdb" }, options: { queue: "disk", priority: 9 } },
  ]);
});

test("task: a class is a task too", async () => {
  const task = new Reboot();
  const enqueuer = createNotingEnqueuer();
  task.bind(enqueuer);
  await task.delay({ node: "n7" });
  expect(enqueuer.requests).toMatchObject([{ name: "node.reboot", options: { priority: 9 } }]);
});

test("task: options of many tasks may depend on input and place", async () => {
  const task = new Reboot();
  const enqueuer = createNotingEnqueuer();
  task.bind(enqueuer);
  const inputs = ["a", "b"].map((node) => ({ node }));
  await task.delayMany(inputs, ({ node }, index) => ({ id: `${node}-${index}` }));
  expect(enqueuer.requests.map(({ options }) => options.id)).toEqual(["a-0", "b-1"]);
});

test("task: a bad input anywhere in a list is named, and nothing is enqueued", async () => {
  const task = format();
  const enqueuer = createNotingEnqueuer();
  task.bind(enqueuer);
  const inputs = [{ device: "a" }, { device: 7 as unknown as string }];
  await expect(task.delayMany(inputs)).rejects.toThrow(
    refused("INVALID_INPUT", "input[1] of disk.format does not fit its schema: device:"),
  );
  await expect(task.delay({} as { device: string })).rejects.toThrow(refused("INVALID_INPUT"));
  await expect(task.delay({ device: "a" }, { queue: "a b" })).rejects.toThrow(
    refused("INVALID_OPTIONS", "queue"),
  );
  expect(enqueuer.requests).toEqual([]);
});

test("task: it belongs to the newest app that is open", async () => {
  const task = format();
  const [older, newer] = [createNotingEnqueuer(), createNotingEnqueuer()];
  await expect(task.delay({ device: "a" })).rejects.toThrow(refused("TASK_UNBOUND"));
  const unbindOlder = task.bind(older);
  const unbindNewer = task.bind(newer);
  await task.delay({ device: "a" });
  unbindNewer();
  unbindNewer();
  await task.delay({ device: "b" });
  unbindOlder();
  await expect(task.delay({ device: "c" })).rejects.toThrow(refused("TASK_UNBOUND"));
  expect([older, newer].map(({ requests }) => requests.length)).toEqual([1, 1]);
});

test.each([
  [{ name: "a b" }, "task name must"],
  [{ name: undefined }, "task name must"],
  [{ queue: "a/b" }, "queue must"],
  [{ priority: 11 }, "priority must"],
  [{ retry: { attempts: 0 } }, "retry.attempts must"],
  [{ retries: 3 }, 'defineTask has no option "retries"'],
  [{ delay: () => 1 }, 'defineTask has no option "delay"'],
  [{ run: "now" }, "run must be a function"],
])("task: a definition with %j is refused by name", (member, message) => {
  const definition = { name: "t", run: () => 1, ...member };
  expect(() => defineTask(definition as Parameters<typeof defineTask>[0])).toThrow(
    refused("INVALID_OPTIONS", message),
  );
});

test("registry: a name means one task", () => {
  const task = format();
  expect(new Registry([task, task]).names).toEqual(["disk.format"]);
  expect(() => new Registry([task, format()])).toThrow(refused("TASK_DUPLICATE", "disk.format"));
  expect(() => new Registry([new Reboot(), new Reboot()])).toThrow(refused("TASK_DUPLICATE"));
});

test("registry: finds by name, and names what it knows when it does not", () => {
  const registry = new Registry([format(), new Reboot()]);
  expect(registry.names).toEqual(["disk.format", "node.reboot"]);
  expect(registry.find("toString")).toBeUndefined();
  expect(registry.get("node.reboot")).toBeInstanceOf(Reboot);
  expect(() => registry.get("node.boot")).toThrow(
    refused("UNKNOWN_TASK", "known tasks: disk.format, node.reboot"),
  );
});

test.each([[Reboot], [undefined], [null], [{ name: "t", run: () => 1 }], ["disk.format"]])(
  "registry: %o is no task",
  (task) => {
    const tasks = [task] as unknown as ConstructorParameters<typeof Registry>[0];
    expect(() => new Registry(tasks)).toThrow(refused("INVALID_OPTIONS", "tasks must hold"));
  },
);

const contextOf = (partial: object = {}) => partial as TaskContext<never>;

test("derive: keeps what the extension leaves out, and what it says goes before", () => {
  const base = format();
  const derived = base.derive({ name: "disk.format-fast", priority: 9 });
  expect(derived).toMatchObject({ name: "disk.format-fast", queue: "disk", priority: 9 });
  expect(derived.input).toBe(base.input);
  expect(base.name).toBe("disk.format");
  expect(base.derive({ priority: 9 }).name).toBe("disk.format");
});

test("derive: its handler stands around the one that it is derived from", async () => {
  const byNode = format().derive({
    name: "disk.format-node",
    input: z.object({ node: z.string() }),
    run: async (base, { node }, ctx) => {
      const { device } = (await base({ device: `${node}/sda` }, ctx)) as { device: string };
      return `formatted ${device}`;
    },
  });
  const result = await runTask(byNode, { node: "n7" }, contextOf());
  expect(result).toBe("formatted n7/sda");
});

test("derive: errors are mapped from the inside out; undefined leaves one as it is", async () => {
  const base = defineTask({
    name: "t",
    run: (fail: string) => {
      throw new Error(fail);
    },
  });
  const inner = base.derive({
    mapError: (error) =>
      (error as Error).message === "gone" ? new FinalError("It is gone.") : undefined,
  });
  const outer = inner.derive({
    mapError: (error) => new Error(`mapped ${(error as Error).name}`),
  });
  await expect(runTask(base, "gone", contextOf())).rejects.toThrow("gone");
  await expect(runTask(inner, "gone", contextOf())).rejects.toBeInstanceOf(FinalError);
  await expect(runTask(inner, "other", contextOf())).rejects.toThrow("other");
  await expect(runTask(outer, "gone", contextOf())).rejects.toThrow("mapped FinalError");
});

test("derive: handles get the methods of all that a task is derived from", async () => {
  const certified = format()
    .derive({ name: "a", methods: (handle) => ({ certificate: () => `of ${handle.id}` }) })
    .derive({ name: "b", methods: () => ({ twice: (n: number) => n * 2 }) });
  certified.bind(createNotingEnqueuer());
  const handle = await certified.delay({ device: "sdb" });
  expect(handle.certificate()).toBe("of b");
  expect(handle.twice(4)).toBe(8);
  const [first] = await certified.delayMany([{ device: "sdb" }]);
  expect(first?.twice(1)).toBe(2);
  expect(certified.handle("elsewhere").certificate()).toBe("of elsewhere");
});

test("derive: a class may map errors and equip its handles as well", async () => {
  class Ping extends BaseTask<string, string, unknown, { shout(): string }> {
    readonly name = "ping";
    run(): string {
      throw new Error("no answer");
    }
    override mapError(): Error {
      return new FinalError("mapped");
    }
    override methods(handle: TaskHandle<string>) {
      return { shout: () => handle.id.toUpperCase() };
    }
  }
  const ping = new Ping();
  ping.bind(createNotingEnqueuer());
  expect((await ping.delay("x")).shout()).toBe("PING");
  await expect(runTask(ping, "x", contextOf())).rejects.toThrow("mapped");
});

test("derive: nonsense is refused by name", async () => {
  const base = format();
  const derive = (extension: object) => () => base.derive(extension as never);
  expect(derive({ nmae: "x" })).toThrow(refused("INVALID_OPTIONS", "nmae"));
  expect(derive({ name: "not a name" })).toThrow(refused("INVALID_OPTIONS", "name"));
  expect(derive({ run: "x" })).toThrow(refused("INVALID_OPTIONS", "run must be a function"));
  expect(derive({ mapError: 1 })).toThrow(refused("INVALID_OPTIONS", "mapError"));
  expect(derive({ methods: {} })).toThrow(refused("INVALID_OPTIONS", "methods"));
  expect(derive({ priority: 10 })).toThrow(refused("INVALID_OPTIONS", "priority"));
  const clash = base.derive({ methods: () => ({ id: () => 1 }) });
  clash.bind(createNotingEnqueuer());
  await expect(clash.delay({ device: "sdb" })).rejects.toThrow(
    refused("INVALID_OPTIONS", "which every handle has"),
  );
});
