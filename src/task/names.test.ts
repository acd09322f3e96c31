import { expect, test } from "vitest";
import {
  ID_LENGTH_MAX,
  ID_PREFIX_LENGTH_MAX,
  QUEUE_LENGTH_MAX,
  requireId,
  requireIdPrefix,
  requirePriority,
  requireQueue,
  requireTaskName,
  TASK_NAME_LENGTH_MAX,
} from "./names.ts";

const refused = (option: string) =>
  expect.objectContaining({
    code: "INVALID_OPTIONS",
    message: expect.stringMatching(new RegExp(`^${option} must`)) as unknown as string,
  });

test.each(["a", "7", "node-7/disk.format:1@x_2", "a".repeat(ID_LENGTH_MAX), "__".padStart(4, "a")])(
  "names: %s is an id",
  (id) => {
    expect(requireId(id)).toBe(id);
  },
);

test.each([
  ...["", "/a", "_a", "-a", "a/", "a#b", "a b", "a\n", "ä", "a\0", "a".repeat(ID_LENGTH_MAX + 1)],
  ...[undefined, null, 7, {}, ["a"], { toString: () => "a" }],
])("names: %j is no id", (id) => {
  expect(() => requireId(id)).toThrow(refused("id"));
});

test("names: a prefix may end with a slash and leaves room for what is generated", () => {
  expect(requireIdPrefix("node-7/")).toBe("node-7/");
  expect(requireIdPrefix("a".repeat(ID_PREFIX_LENGTH_MAX))).toHaveLength(ID_PREFIX_LENGTH_MAX);
  for (const prefix of ["", "/", "a".repeat(ID_PREFIX_LENGTH_MAX + 1), 7]) {
    expect(() => requireIdPrefix(prefix)).toThrow(refused("idPrefix"));
  }
});

test.each(["", "a/b", ".a", "-a", "a b", "a#", "a\n", "ä", "__proto__", undefined, 7])(
  "names: %j names neither a queue nor a task",
  (name) => {
    expect(() => requireQueue(name)).toThrow(refused("queue"));
    expect(() => requireTaskName(name)).toThrow(refused("task name"));
  },
);

test("names: queues and tasks may be named up to their lengths", () => {
  expect(requireQueue("_mail-2.x")).toBe("_mail-2.x");
  expect(requireQueue("q".repeat(QUEUE_LENGTH_MAX))).toHaveLength(QUEUE_LENGTH_MAX);
  expect(() => requireQueue("q".repeat(QUEUE_LENGTH_MAX + 1))).toThrow(refused("queue"));
  expect(requireTaskName("t".repeat(TASK_NAME_LENGTH_MAX))).toHaveLength(TASK_NAME_LENGTH_MAX);
  expect(() => requireTaskName("t".repeat(TASK_NAME_LENGTH_MAX + 1))).toThrow(refused("task name"));
});

test("names: a priority is a whole number from 0 to 9", () => {
  expect([0, 5, 9].map(requirePriority)).toEqual([0, 5, 9]);
  for (const priority of [-1, 10, 1.5, Number.NaN, "5", null, undefined]) {
    expect(() => requirePriority(priority)).toThrow(refused("priority"));
  }
});
