import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { defineTask } from "../../src/index.ts";

/** Has a schema, so that the command line can check an input by it. */
export const sum = defineTask({
  name: "math.sum",
  input: z.array(z.number()),
  run: (numbers) => numbers.reduce((total, each) => total + each, 0),
});

const fail = defineTask({
  name: "test.fail",
  run: () => {
    throw new Error("the disk is on fire \u001b[31m");
  },
});

/** Runs until a file is there, or until it is told to stop. */
const hold = defineTask({
  name: "test.hold",
  run: async ({ until }: { readonly until: string }, context) => {
    const changes = watch(dirname(until));
    context.progress(50, { secret: "never logged" });
    context.log("holding");
    await new Promise<void>((resolve) => {
      const look = () => {
        if (existsSync(until) || context.signal.aborted) resolve();
      };
      changes.on("change", look);
      context.signal.addEventListener("abort", look);
      look();
    });
    changes.close();
    context.log("let go\nin two lines");
    return "held";
  },
});

/** Nothing but tasks is looked at. */
export const VERSION = 1;
export const tasks = [sum, fail, hold];
