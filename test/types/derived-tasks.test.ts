import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { BaseTask } from "../../src/task/task.ts";
import { type CommandOutput, commandTask } from "../../src/tasks/command/index.ts";
import { httpTask } from "../../src/tasks/http/index.ts";

test("http types: input and output follow from the schemas", () => {
  const task = httpTask({
    name: "price",
    input: z.object({ sku: z.string(), count: z.string().transform(Number) }),
    output: z.object({ cents: z.number() }),
    url: (input) => {
      expectTypeOf(input).toEqualTypeOf<{ sku: string; count: number }>();
      return `https://shop.example/${input.sku}`;
    },
    headers: ({ count }) => ({ "x-count": `${count}` }),
  });
  expectTypeOf(task).toEqualTypeOf<
    BaseTask<{ sku: string; count: string }, { cents: number }, unknown>
  >();
});

test("http types: without schemas the functions say what the input is", () => {
  const task = httpTask({
    name: "get",
    method: "GET",
    url: ({ id }: { id: string }) => `https://shop.example/${id}`,
    unique: ({ id }) => id,
  });
  expectTypeOf(task.delay).parameter(0).toEqualTypeOf<{ id: string }>();
  expectTypeOf(task).toExtend<BaseTask<{ id: string }, unknown>>();
  // @ts-expect-error: there is no such method
  const define = () => httpTask({ name: "x", url: "https://shop.example/", method: "TRACE" });
  expectTypeOf(define).toBeFunction();
});

test("command types: the result follows from the option", () => {
  const command = "true";
  const text = commandTask({ name: "c", command, result: "text" });
  const lines = commandTask({ name: "c", command, result: "lines" });
  const json = commandTask({ name: "c", command, result: "json" });
  const plain = commandTask({ name: "c", command });
  const own = commandTask({ name: "c", command, result: async ({ stdout }) => stdout.length });
  expectTypeOf(text).toEqualTypeOf<BaseTask<unknown, string>>();
  expectTypeOf(lines).toEqualTypeOf<BaseTask<unknown, string[]>>();
  expectTypeOf(json).toEqualTypeOf<BaseTask<unknown, unknown>>();
  expectTypeOf(plain).toEqualTypeOf<BaseTask<unknown, CommandOutput>>();
  expectTypeOf(own).toEqualTypeOf<BaseTask<unknown, number>>();
});

test("command types: the command gets what the schema makes of the input", () => {
  const task = commandTask({
    name: "c",
    input: z.object({ device: z.string(), force: z.boolean().default(false) }),
    command: (input) => {
      expectTypeOf(input).toEqualTypeOf<{ device: string; force: boolean }>();
      return { program: "mkfs", args: [input.device] };
    },
    result: "text",
  });
  expectTypeOf(task.delay).parameter(0).toEqualTypeOf<{
    device: string;
    force?: boolean | undefined;
  }>();
});
