import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  type App,
  BaseTask,
  defineTask,
  type Settlement,
  type TaskContext,
  type TaskHandle,
} from "../../src/index.ts";

// Nothing here runs but the definitions: what counts is that `tsc` accepts it, and refuses what
// stands under a `@ts-expect-error`.

/** Type-checked, never called. */
function checked(_body: () => unknown): void {}

const size = z.object({ device: z.string(), size: z.string().transform(Number).default(1) });

const format = defineTask({
  name: "disk.format",
  input: size,
  progress: z.object({ disk: z.number() }),
  async run({ device, size }, ctx) {
    expectTypeOf(device).toEqualTypeOf<string>();
    expectTypeOf(size).toEqualTypeOf<number>();
    ctx.progress(50, { disk: 1 });
    return { device, seconds: 12 };
  },
});

test("types: input follows from the schema, output from the handler", () => {
  expectTypeOf(format.delay)
    .parameter(0)
    .toEqualTypeOf<{ device: string; size?: string | undefined }>();
  expectTypeOf(format.delay).returns.resolves.toEqualTypeOf<
    TaskHandle<{ device: string; seconds: number }, { disk: number }>
  >();
  expectTypeOf(format.delayMany).returns.resolves.toEqualTypeOf<
    TaskHandle<{ device: string; seconds: number }, { disk: number }>[]
  >();
});

test("types: without a schema the input is what the handler says it is", () => {
  const count = defineTask({ name: "count", run: (input: { n: number }) => input.n });
  expectTypeOf(count.delay).parameter(0).toEqualTypeOf<{ n: number }>();
  expectTypeOf(count.delay).returns.resolves.toEqualTypeOf<TaskHandle<number>>();
  const nothing = defineTask({ name: "nothing", run: () => {} });
  checked(() => nothing.delay());
  expectTypeOf(nothing.delay).returns.resolves.toEqualTypeOf<TaskHandle<void>>();
});

test("types: a class says its types once", () => {
  class Reboot extends BaseTask<{ node: string }, boolean, string> {
    readonly name = "node.reboot";
    async run({ node }: { node: string }, ctx: TaskContext<string>): Promise<boolean> {
      ctx.progress(10, node);
      return true;
    }
  }
  expectTypeOf<Reboot["delay"]>().parameter(0).toEqualTypeOf<{ node: string }>();
  expectTypeOf<Reboot["delay"]>().returns.resolves.toEqualTypeOf<TaskHandle<boolean, string>>();
});

test("types: a handle's end is a union by state", () => {
  type End = Settlement<number>;
  expectTypeOf<Extract<End, { state: "succeeded" }>["result"]>().toEqualTypeOf<number>();
  expectTypeOf<Extract<End, { state: "failed" }>["error"]["message"]>().toEqualTypeOf<string>();
  expectTypeOf<End["state"]>().toEqualTypeOf<"succeeded" | "failed" | "cancelled" | "expired">();
  expectTypeOf<TaskHandle<number>["result"]>().returns.resolves.toEqualTypeOf<number>();
  expectTypeOf<App["enqueue"]>().returns.resolves.toEqualTypeOf<TaskHandle>();
});

test("types: options of many tasks may be made from each input", () => {
  checked(() =>
    format.delayMany([{ device: "a" }], (input, index) => {
      expectTypeOf(input.device).toEqualTypeOf<string>();
      expectTypeOf(index).toEqualTypeOf<number>();
      return { id: `${input.device}-${index}`, priority: 9, retry: { attempts: 3 } };
    }),
  );
});

test("types: misuse is refused", () => {
  checked(() => {
    // @ts-expect-error the input lacks its device
    format.delay({});
    // @ts-expect-error a device is a text
    format.delay({ device: 7 });
    // @ts-expect-error the schema's input is a text, only its output is a number
    format.delay({ device: "sdb", size: 7 });
    // @ts-expect-error the input is missing
    format.delay();
    // @ts-expect-error there is no such option
    format.delay({ device: "sdb" }, { prority: 9 });
    // @ts-expect-error a backoff is one of four words
    format.delay({ device: "sdb" }, { retry: { backoff: "quadratic" } });
    // @ts-expect-error a single enqueue is stored, so it holds no functions
    format.delay({ device: "sdb" }, { retry: { backoff: () => 1 } });
    // @ts-expect-error a list is wanted
    format.delayMany({ device: "sdb" });
  });
  checked(() => {
    // @ts-expect-error a task has a name
    defineTask({ run: () => 1 });
    // @ts-expect-error a task has a handler
    defineTask({ name: "t" });
    // @ts-expect-error there is no such option
    defineTask({ name: "t", retries: 3, run: () => 1 });
    defineTask({
      name: "t",
      progress: z.object({ disk: z.number() }),
      // @ts-expect-error the detail is another one
      run: (_input, ctx) => ctx.progress(1, { disk: "1" }),
    });
    defineTask({
      name: "t",
      input: z.object({ n: z.number() }),
      // @ts-expect-error the input has no such member
      run: ({ m }) => m,
    });
  });
  checked(() => {
    class NoRun extends BaseTask<void, void> {
      readonly name = "no.run";
      // @ts-expect-error the result is another one
      run(): number {
        return 1;
      }
    }
    return NoRun;
  });
  checked(async () => {
    const handle = await format.delay({ device: "sdb" });
    // @ts-expect-error the result is known
    (await handle.result()).seconds satisfies string;
    const end = await handle.settle();
    // @ts-expect-error only a success has a result
    end.result;
  });
});

test("types: keys of claims follow from what the handler gets", () => {
  defineTask({
    name: "disk.format",
    input: size,
    unique: ({ device, size }) => {
      expectTypeOf(size).toEqualTypeOf<number>();
      return device;
    },
    run: ({ device }) => device,
  });
  defineTask({
    name: "count",
    debounce: { key: (input: { n: number }) => String(input.n), wait: "1s" },
    run: (input: { n: number }) => input.n,
  });
  class Scan extends BaseTask<{ disk: string }, void> {
    readonly name = "disk.scan";
    override readonly unique = ({ disk }: { disk: string }) => disk;
    run(): void {}
  }
  checked(async () => {
    const handle = await new Scan().delay({ disk: "sdb" }, { throttle: { key: "a", per: "1m" } });
    expectTypeOf(handle.enqueued).toEqualTypeOf<"created" | "joined" | "replaced">();
    // @ts-expect-error the key of an enqueue is a text
    await format.delay({ device: "sdb" }, { unique: () => "a" });
    // @ts-expect-error a throttle has a period
    await format.delay({ device: "sdb" }, { throttle: { key: "a" } });
  });
  checked(() => {
    // @ts-expect-error the input has no such member
    defineTask({ name: "t", input: size, unique: ({ disk }) => disk, run: () => 1 });
  });
});
