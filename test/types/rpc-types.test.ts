import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { BaseTask } from "../../src/task/task.ts";
import { type AgentMethod, grpcTask, method, rpcTask } from "../../src/tasks/rpc/index.ts";

// Nothing here runs: what counts is that `tsc` accepts it, and refuses what stands under a
// `@ts-expect-error`.

/** Type-checked, never called. */
function checked(_body: () => unknown): void {}

test("types: an RPC task's input, result and progress follow from its schemas", () => {
  const define = () =>
    rpcTask({
      name: "x",
      input: z.object({ node: z.string(), size: z.string().transform(Number) }),
      output: z.object({ seconds: z.number() }),
      progress: z.object({ block: z.number() }),
      agent: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ node: string; size: number }>();
        return input.node;
      },
      method: "x",
    });
  expectTypeOf(define).returns.toEqualTypeOf<
    BaseTask<{ node: string; size: string }, { seconds: number }, { block: number }>
  >();
  const byHand = () => rpcTask<{ n: number }, string>({ name: "x", agent: "a", method: "x" });
  expectTypeOf(byHand).returns.toEqualTypeOf<BaseTask<{ n: number }, string>>();
  const none = () => rpcTask({ name: "x", agent: { labels: { zone: "b" } }, method: "x" });
  expectTypeOf(none).returns.toEqualTypeOf<BaseTask<void>>();
});

test("types: a route is a name or labels", () => {
  // @ts-expect-error a number names no agent
  checked(() => rpcTask({ name: "x", agent: 7, method: "x" }));
  // @ts-expect-error the input has no such member
  checked(() => rpcTask<{ n: number }>({ name: "x", agent: (i) => i.node, method: "x" }));
});

test("types: a method knows its input by its schema, or says it itself", () => {
  checked(() =>
    method({
      input: z.object({ device: z.string() }),
      run: (input) => expectTypeOf(input).toEqualTypeOf<{ device: string }>(),
    }),
  );
  const serve = (_method: AgentMethod) => {};
  checked(() => serve((input: { device: string }) => input.device));
  checked(() => serve((input) => expectTypeOf(input).toEqualTypeOf<unknown>()));
});

test("types: a gRPC task's input follows from its schema, its result from the response", () => {
  const define = () =>
    grpcTask({
      name: "x",
      proto: "x.proto",
      service: "x.X",
      method: "X",
      input: z.object({ host: z.string() }),
      address: (input) => input.host,
      response: (answer) => String(answer),
    });
  expectTypeOf(define).returns.toEqualTypeOf<BaseTask<{ host: string }, string>>();
});
