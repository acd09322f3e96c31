/** What the processes themselves know: what they asked for, were told, and ran. */
import type { Revision } from "../../src/store/store.ts";

/** How a task was to come into being. `n` is in its input, so what becomes of it can be found. */
export interface Order {
  readonly n: number;
  /** When it was first sent, on the virtual clock. */
  readonly sentAt: number;
  answer:
    | { readonly kind: "waiting" | "refused" | "unknown" }
    | { readonly kind: "created" | "joined"; readonly id: string };
}

/** One call of a handler. */
export interface Run {
  readonly id: string;
  readonly attempt: number;
  readonly fence: Revision;
  readonly process: string;
  readonly startedAt: number;
  over: boolean;
  /** As JSON; `undefined` until it returned one. */
  result: string | undefined;
}

/** Somebody who waits for the end of a task. */
export interface Wait {
  readonly id: string;
  readonly process: string;
  readonly from: number;
  /** Whether the handle comes from an enqueue, so that there is a task. */
  readonly exists: boolean;
  outcome: string | undefined;
}

/** What one watch of all tasks has shown. */
export interface Sighting {
  readonly process: string;
  /** The watch began behind this revision. */
  readonly from: Revision;
  readonly seen: {
    readonly revision: Revision;
    readonly id: string;
    readonly kind: string;
    readonly state: string | undefined;
    /** Whether the store had given up that revision by then. */
    readonly compacted: boolean;
  }[];
}

/** See above. */
export class Ledger {
  readonly orders: Order[] = [];
  readonly runs: Run[] = [];
  readonly waits: Wait[] = [];
  readonly sightings: Sighting[] = [];
  /** Tasks that a client asked to remove. */
  readonly removed = new Set<string>();
  /** Queues that a client asked to purge. */
  readonly purged = new Set<string>();
  /** Tasks that a client asked to move. */
  readonly moved = new Set<string>();
  /** The calls of handlers by task, in order. */
  readonly runsOf = new Map<string, Run[]>();

  /** Whether the store has given up the history at a revision. */
  isCompacted: (revision: Revision) => boolean = () => false;
  /** Called with each call of a handler. */
  onRun: (run: Run) => void = () => {};

  begin(run: Omit<Run, "over" | "result">): Run {
    const begun: Run = { ...run, over: false, result: undefined };
    this.runs.push(begun);
    const runs = this.runsOf.get(run.id);
    if (runs) runs.push(begun);
    else this.runsOf.set(run.id, [begun]);
    this.onRun(begun);
    return begun;
  }
}
