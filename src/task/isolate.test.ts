import { expect, test } from "vitest";
import { resolveIsolate } from "./isolate.ts";

test("isolate: inline is the default, and needs nothing", () => {
  expect(resolveIsolate(undefined)).toBeUndefined();
  expect(resolveIsolate("inline")).toBeUndefined();
  expect(resolveIsolate({ kind: "inline", memory: "1GiB" })).toBeUndefined();
});

test("isolate: a kind alone, or with memory and module", () => {
  expect(resolveIsolate("thread")).toEqual({ kind: "thread" });
  expect(
    resolveIsolate({ kind: "process", memory: "256MiB", module: "/srv/app/tasks.js" }),
  ).toEqual({
    kind: "process",
    memoryBytes: 256 * 1_048_576,
    module: "file:///srv/app/tasks.js",
  });
});

test.each([
  ["fork", "isolate must be one of inline, thread, process"],
  [{ kind: "fork" }, "isolate.kind must be one of inline, thread, process"],
  [{ kind: "thread", heap: 1 }, 'isolate has no option "heap"'],
  [{ kind: "thread", memory: "1MiB" }, "isolate.memory must be from 32 MiB to 64 GiB"],
  [{ kind: "process", memory: "64MiB" }, "isolate.memory must be from 192 MiB to 64 GiB"],
  [{ kind: "thread", module: "./tasks.js" }, "isolate.module must be the module"],
  [null, "isolate must be an object"],
])("isolate: %j is refused", (given, message) => {
  expect(() => resolveIsolate(given as never)).toThrow(message);
});
