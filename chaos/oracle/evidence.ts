/** What the processes of a run knew, put together from their journals. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Act } from "../../sim/world/acts.ts";
import { Ledger, type Order } from "../../sim/world/ledger.ts";
import { type Line, readJournal, type SeenEvent } from "../actors/journal.ts";
import type { StoreOp } from "../linear/store-op.ts";
import { isDamaged } from "../record-faults.ts";

/** Everything that one watch of a bare client was told. */
export interface WatchSession {
  readonly process: string;
  readonly after: number;
  readonly batches: { readonly revision: number; readonly events: readonly SeenEvent[] }[];
}

/** One call of a handler, as its journal has it. */
export interface HandlerRun {
  readonly id: string;
  readonly attempt: number;
  readonly fence: number;
  readonly process: string;
  readonly startedAt: number;
  readonly wall: number;
  endedAt?: number;
}

/** See above. */
export interface Evidence {
  readonly ledger: Ledger;
  readonly runs: readonly HandlerRun[];
  readonly ops: readonly StoreOp[];
  readonly sessions: readonly WatchSession[];
  /** What must never happen in a process: exceptions that nobody expected. */
  readonly broken: readonly string[];
  /** How often each event was published. */
  readonly events: ReadonlyMap<string, number>;
  readonly acts: number;
  /** Acts whose end nobody saw. */
  readonly actsCut: number;
}

interface Gathering {
  readonly ledger: Ledger;
  readonly runs: HandlerRun[];
  readonly ops: StoreOp[];
  readonly sessions: WatchSession[];
  readonly broken: string[];
  readonly events: Map<string, number>;
  readonly timeOf: (monotonic: number) => number;
  acts: number;
  actsCut: number;
}

/** Reads all journals in a directory; `timeOf` turns monotonic times into those of the oracle. */
export function gather(directory: string, timeOf: (monotonic: number) => number): Evidence {
  const ledger = new Ledger();
  const evidence: Gathering = {
    ...{ ledger, runs: [], ops: [], sessions: [], broken: [], events: new Map() },
    ...{ timeOf, acts: 0, actsCut: 0 },
  };
  const files = readdirSync(directory).sort();
  for (const file of files) {
    const [, process, what] = /^(.+)\.(journal|effects)\.jsonl$/.exec(file) ?? [];
    if (process === undefined) continue;
    const lines = readJournal(join(directory, file));
    if (what === "effects") readEffects(evidence, lines);
    else readActs(evidence, process, lines);
  }
  return evidence;
}

function readEffects({ ledger, runs, timeOf }: Gathering, lines: readonly Line[]): void {
  const begun = new Map<string, { run: HandlerRun; entry: ReturnType<Ledger["begin"]> }>();
  for (const line of lines) {
    if (line.kind === "run") {
      const { fence, attempt, startedAt } = line.run;
      const run: HandlerRun = { ...line.run, wall: line.wall };
      runs.push(run);
      const entry = ledger.begin({ ...line.run, startedAt: timeOf(startedAt) });
      // Whoever takes by hand says no more than what everybody says.
      if (line.byHand) entry.result = JSON.stringify({ fence, attempt });
      begun.set(`${line.run.id}@${fence}`, { run, entry });
    } else if (line.kind === "ran") {
      const { run, entry } = begun.get(`${line.id}@${line.fence}`) ?? {};
      if (!run || !entry) continue;
      run.endedAt = line.at;
      entry.over = true;
      entry.result = line.result ?? entry.result;
    }
  }
}

function readActs(evidence: Gathering, process: string, lines: readonly Line[]): void {
  const { ledger, ops, broken, events } = evidence;
  const pending = new Map<number, Extract<Line, { kind: "act" }>>();
  const sessions = new Map<number, WatchSession>();
  for (const line of lines) {
    switch (line.kind) {
      case "act":
        pending.set(line.seq, line);
        evidence.acts += 1;
        noteWish(ledger, line.act);
        break;
      case "done":
        pending.delete(line.seq);
        for (const order of line.doings.orders) addOrder(evidence, order);
        ledger.waits.push(...line.doings.waits);
        for (const sighting of line.doings.sightings) {
          const seen = sighting.seen.filter(({ id }) => !isDamaged(id));
          ledger.sightings.push({ ...sighting, seen });
        }
        break;
      case "event":
        events.set(line.name, (events.get(line.name) ?? 0) + 1);
        break;
      case "broken":
        broken.push(`${process}: ${line.what}`);
        break;
      case "op":
        ops.push(line.op);
        break;
      case "watch":
        sessions.set(line.session, { process, after: line.after, batches: [] });
        break;
      case "batch":
        sessions.get(line.session)?.batches.push(line);
        break;
    }
  }
  evidence.sessions.push(...sessions.values());
  evidence.actsCut += pending.size;
  for (const { act, at } of pending.values()) {
    if (act.kind !== "enqueue") continue;
    addOrder(evidence, { n: act.input.n, sentAt: at, answer: { kind: "unknown" } });
  }
}

function addOrder({ ledger, timeOf }: Gathering, order: Order): void {
  ledger.orders.push({ ...order, sentAt: timeOf(order.sentAt) });
}

function noteWish(ledger: Ledger, act: Act): void {
  if (act.kind === "remove") ledger.removed.add(act.id);
  else if (act.kind === "purge") ledger.purged.add(act.queue);
  else if (act.kind === "update") ledger.moved.add(act.id);
}
