/** The producer process of the demo: hands everything over at once, then waits for the results. */
import { createApp, type DelayOptions, type TaskHandle } from "etask";
import { type Planned, planOf } from "./plan.ts";
import {
  checkNodes,
  fleetTasks,
  formatDisk,
  rebootNode,
  scrubDisk,
  sendMessage,
  upgradeNode,
  wipeDisk,
} from "./tasks.ts";

/** Begins the ids of this run's tasks, and is their queue. */
const run = process.env.FLEET_RUN ?? "fleet";
const queue = run;

process.once("disconnect", () => process.exit(1));
process.channel?.unref();

await using _app = await createApp({ tasks: fleetTasks });
const handles = await enqueueAll();
const settled = await Promise.all(handles.map(async (handle) => [handle.id, await end(handle)]));
process.send?.({ settled: Object.fromEntries(settled) });

async function enqueueAll(): Promise<TaskHandle[]> {
  const startedAt = performance.now();
  const { upgrades, scrubs, reboots, formats, wipes, checks, messages } = planOf(run);
  const handles: TaskHandle[] = await Promise.all([
    ...upgrades.map((each) => upgradeNode.delay(each.input, optionsOf(each))),
    ...scrubs.map((each) => scrubDisk.delay(each.input, optionsOf(each))),
    ...reboots.map((each) => rebootNode.delay(each.input, optionsOf(each))),
    ...formats.map((each) => formatDisk.delay(each.input, optionsOf(each))),
    ...wipes.map((each) => wipeDisk.delay(each.input, optionsOf(each))),
    ...checks.map((each) => checkNodes.delay(each.input, optionsOf(each))),
  ]);
  const inputs = messages.map(({ input }) => input);
  const sent = await sendMessage.delayMany(inputs, (_input, index) =>
    optionsOf(messages[index] as Planned<unknown>),
  );
  handles.push(...sent);
  const ms = performance.now() - startedAt;
  console.log(`${handles.length} tasks handed over and on disk after ${ms.toFixed(0)} ms`);
  return handles;
}

function optionsOf({ id, priority, delayMs }: Planned<unknown>): DelayOptions {
  return { id, priority, queue, in: delayMs };
}

async function end(handle: TaskHandle): Promise<string> {
  const { state } = await handle.settle({ timeout: "3m" });
  return state;
}
