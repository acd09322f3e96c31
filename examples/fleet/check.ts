/** The demo's own check: what was recorded, and what became of the files, is what was planned. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Backend, TaskState, TaskView } from "etask";
import { readImage } from "./disk-image.ts";
import type { FleetState } from "./fleet-state.ts";
import { NODES, readText, sha256 } from "./machines.ts";
import { everyTask, type Plan, tickOf } from "./plan.ts";

/** All tasks whose id begins with `prefix`, or those of them that are in one state. */
export async function allTasks(
  backend: Backend,
  prefix: string,
  state?: TaskState,
): Promise<TaskView[]> {
  const tasks: TaskView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await backend.list({
      prefix,
      limit: 1_000,
      ...(state ? { state } : undefined),
      ...(cursor ? { cursor } : undefined),
    });
    tasks.push(...page.tasks);
    if (page.cursor === undefined) return tasks;
    cursor = page.cursor;
  }
}

/** What the check looks at. */
export interface Outcome {
  readonly plan: Plan;
  /** The tasks that are in the store at the end. */
  readonly tasks: readonly TaskView[];
  /** What was seen by following the store. */
  readonly fleet: FleetState;
  /** What the producer was told. */
  readonly settled: Readonly<Record<string, string>>;
}

/** Compares records with the plan. Returns what is wrong; nothing, if all is well. */
export function recordFindings({ plan, tasks, fleet, settled }: Outcome): readonly string[] {
  const planned = everyTask(plan);
  const stored = new Map(tasks.map((task) => [task.id, task]));
  const findings = planned.flatMap(({ id, ends, attempts, delayMs }) => {
    const task = stored.get(id);
    if (!task) return [`${id} is not in the store`];
    const times = fleet.jobs.get(id)?.ends ?? 0;
    return [
      ...(task.state === ends ? [] : [`${id} is ${task.state} and should be ${ends}`]),
      ...(settled[id] === ends ? [] : [`${id}: the producer was told ${settled[id]}`]),
      ...(times === 1 ? [] : [`${id}: its end was recorded ${times} times`]),
      ...(waited(task) >= delayMs ? [] : [`${id} started ${delayMs - waited(task)} ms early`]),
      ...(task.attempt >= attempts ? [] : [`${id} took ${task.attempt} attempts`]),
    ];
  });
  const known = new Set(planned.map(({ id }) => id));
  const strays = tasks
    .filter(({ id }) => !known.has(id) && tickOf(id) === undefined)
    .map(({ id }) => `${id} is not planned`);
  const rescued = [...fleet.jobs.values()].some(({ rescue }) => rescue === "running");
  return [
    ...findings,
    ...strays,
    ...rhythmFindings(tasks),
    ...(rescued ? [] : ["no task was rescued"]),
  ];
}

/** The schedule's tasks: one for each second, whoever was the Beat. */
export function rhythmFindings(tasks: readonly TaskView[]): readonly string[] {
  const ticks = tasks.flatMap(({ id }) => tickOf(id) ?? []).sort((a, b) => a - b);
  if (ticks.length < 3) return [`the rhythm made only ${ticks.length} tasks`];
  return ticks.slice(1).flatMap((tick, index) => {
    const gap = tick - (ticks[index] as number);
    return gap === 1_000 ? [] : [`between two ticks of the rhythm lie ${gap} ms`];
  });
}

function waited({ createdAt, startedAt }: TaskView): number {
  return Number(startedAt ?? 0) - Number(createdAt);
}

/** Compares the fleet's files with the plan. Returns what is wrong. */
export async function fileFindings(plan: Plan, directory: string): Promise<readonly string[]> {
  const at = (...names: string[]) => join(directory, ...names);
  const findings: string[] = [];
  for (const { input } of plan.formats) {
    const path = at(input.node, `${input.device}.img`);
    const blocks = await countBlocks(path).catch((error: Error) => error.message);
    if (blocks !== input.blocks) findings.push(`${path}: ${blocks}`);
  }
  for (const { id, input } of plan.reboots) {
    const booted = await readText(at(input.node, "booted"));
    if (booted !== id) findings.push(`${input.node} booted for ${booted}`);
  }
  const published = await readText(at("mirror", "system.pkg.sha256"));
  for (const { input } of plan.upgrades) {
    const found = sha256(await readFile(at(input.node, "system.pkg")));
    if (found !== published) findings.push(`${input.node} runs software ${found}`);
  }
  for (const node of NODES) {
    const mail = await readdir(at(node, "mail"));
    const sent = plan.messages.filter(({ input }) => input.node === node).length;
    if (mail.length !== sent) findings.push(`${node} has ${mail.length} of ${sent} messages`);
    const remains = (await readdir(at(node))).filter((name) => /\.img\.\d+$/.test(name));
    if (remains.length > 0) findings.push(`${node} has remains: ${remains.join(", ")}`);
  }
  return findings;
}

async function countBlocks(path: string): Promise<number> {
  let blocks = 0;
  for await (const step of readImage(path)) blocks = step.block;
  return blocks;
}
