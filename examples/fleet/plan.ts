/** What the demo asks of the fleet, and how each of it must end. */
import { DAMAGED, DISK_BLOCKS, NODES } from "./machines.ts";

/** One task: its id is chosen here, so that a producer that runs twice enqueues nothing twice. */
export interface Planned<In> {
  readonly id: string;
  readonly input: In;
  readonly priority: number;
  /** How it must end. */
  readonly ends: "succeeded" | "failed" | "cancelled";
  /** How many attempts it must take at least. */
  readonly attempts: number;
  /** How long after it was handed over it must start. */
  readonly delayMs: number;
}

type Node = (typeof NODES)[number];

/** All tasks of one run of the demo, by kind. */
export interface Plan {
  readonly formats: readonly Planned<{ node: Node; device: string; blocks: number }>[];
  readonly scrubs: readonly Planned<{ node: Node; device: string }>[];
  readonly reboots: readonly Planned<{ node: Node }>[];
  readonly upgrades: readonly Planned<{ node: Node }>[];
  /** Started, and then cancelled by somebody who thought better of it. */
  readonly wipes: readonly Planned<{ node: Node; device: string }>[];
  /** For a time later. */
  readonly checks: readonly Planned<{ nodes: Node[] }>[];
  readonly messages: readonly Planned<{ node: Node; text: string }>[];
}

/** The disks to format; those of the second row are less urgent than everything else. */
const NEW_DISKS = [
  { device: "sdc", priority: 5 },
  { device: "sdd", priority: 5 },
  { device: "sde", priority: 4 },
  { device: "sdf", priority: 4 },
];
const MESSAGES = 200;
const CHECK_AFTER_MS = 4_000;

/** The plan of the run whose task ids begin with `run` and whose queue has the same name. */
export function planOf(run: string): Plan {
  const planned = <In>(kind: string, name: string, input: In, rest: Partial<Planned<In>> = {}) => ({
    id: `${run}/${kind}/${name}`,
    input,
    priority: 5,
    ends: "succeeded" as const,
    attempts: 1,
    delayMs: 0,
    ...rest,
  });
  return {
    formats: NEW_DISKS.flatMap(({ device, priority }) =>
      NODES.map((node) => {
        const input = { node, device, blocks: DISK_BLOCKS };
        return planned("disk.format", `${node}-${device}`, input, { priority });
      }),
    ),
    scrubs: NODES.map((node) => {
      const { device } = DAMAGED;
      const ends = node === DAMAGED.node ? "failed" : "succeeded";
      return planned("disk.scrub", `${node}-${device}`, { node, device }, { ends });
    }),
    reboots: NODES.map((node) => planned("node.reboot", node, { node })),
    // The mirror drops two connections before a package is whole. A retry waits behind what has its
    // priority and was there before, so these get a higher one.
    upgrades: NODES.slice(0, 2).map((node) =>
      planned("node.upgrade", node, { node }, { attempts: 3, priority: 7 }),
    ),
    wipes: [
      planned("disk.wipe", "n4-sdb", { node: "n4", device: "sdb" } as const, {
        ends: "cancelled",
        priority: 8,
      }),
    ],
    checks: NODES.map((node) =>
      planned("node.check", node, { nodes: [node] }, { delayMs: CHECK_AFTER_MS, priority: 9 }),
    ),
    messages: Array.from({ length: MESSAGES }, (_, index) => {
      const node = NODES[index % NODES.length] ?? NODES[0];
      const text = `Maintenance, message ${index + 1} of ${MESSAGES}.`;
      return planned("message.send", String(index + 1).padStart(4, "0"), { node, text });
    }),
  };
}

/** The plan's tasks of all kinds. */
export function everyTask(plan: Plan): readonly Planned<unknown>[] {
  return Object.values(plan).flat();
}

/** The schedule that checks all nodes every second while the demo runs. */
export function rhythmOf(run: string) {
  return {
    name: `${run}.rhythm`,
    task: "node.check",
    input: { nodes: [...NODES] },
    cron: "* * * * * *",
    queue: run,
    priority: 9,
    // What is missed while one Beat is dead and the next one not there yet is made up for.
    catchUp: "1m",
    overlap: "allow",
  } as const;
}

/** The instant that a task of a schedule was made for; `undefined` for a task of the plan. */
export function tickOf(id: string): number | undefined {
  const at = id.indexOf("@");
  return at < 0 ? undefined : Date.parse(id.slice(at + 1));
}

/** How a task is called on the screen: `disk.format n1/sdc`, `node.check 12:30:05`. */
export function labelOf(id: string): { readonly kind: string; readonly name: string } {
  const tick = tickOf(id);
  if (tick !== undefined) {
    return { kind: "node.check", name: new Date(tick).toISOString().slice(11, 19) };
  }
  const [, kind = "", name = ""] = id.split("/");
  return { kind, name: name.replace("-", "/") };
}
