import { expectTypeOf, test } from "vitest";
import { defineSchedule } from "../../src/schedule/define-schedule.ts";
import type { ScheduleOptions } from "../../src/schedule/schedule-options.ts";
import type { Schedules } from "../../src/schedule/schedules.ts";
import { defineTask } from "../../src/task/task.ts";

const scrub = defineTask({ name: "disk.scrub", run: (_input: { node: string }) => 1 });
const pulse = defineTask({ name: "pulse", run: () => 1 });

test("schedule types: the input of a schedule is that of its task", () => {
  const uses = (schedules: Schedules) => [
    schedules.create("s", { task: scrub, input: { node: "n7" }, every: "1h" }),
    schedules.create("s", { task: pulse, every: "1h" }),
    schedules.create("s", { task: "anything", input: [1], every: "1h" }),
    // @ts-expect-error: the task needs a node
    schedules.create("s", { task: scrub, every: "1h" }),
    // @ts-expect-error: and a text at that
    schedules.upsert("s", { task: scrub, input: { node: 7 }, every: "1h" }),
    schedules.create("s", {
      task: "t",
      // @ts-expect-error: there is no such policy
      overlap: "maybe",
    }),
  ];
  expectTypeOf(uses).toBeFunction();
  expectTypeOf<ScheduleOptions<{ node: string }>>().not.toBeAny();
});

test("schedule types: so is that of a declared one", () => {
  const declared = [
    defineSchedule({ name: "s", task: scrub, input: { node: "n7" }, cron: "@daily" }),
    // @ts-expect-error: the task needs a node
    defineSchedule({ name: "s", task: scrub, input: {}, cron: "@daily" }),
  ];
  expectTypeOf(declared).toBeArray();
});
