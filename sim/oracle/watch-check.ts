import type { Revision, WatchBatch } from "../../src/store/store.ts";
import { parseTaskKey } from "../../src/task/keyspace.ts";
import type { Ledger, Sighting } from "../world/ledger.ts";
import type { Finding } from "./finding.ts";
import type { TaskStep } from "./history-check.ts";

/** Who watches sees every change of a state, in order, once; who waits hears of a real end. */
export class WatchCheck {
  readonly findings: Finding[] = [];
  readonly #ledger: Ledger;
  readonly #changes: {
    readonly revision: Revision;
    readonly id: string;
    readonly state: string;
  }[] = [];
  readonly #removed = new Set<string>();
  /** The ends that each task has had. */
  readonly #ends = new Map<string, Set<string>>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Notes what one revision did. */
  step({ events }: WatchBatch, steps: readonly TaskStep[]): void {
    for (const { type, key } of events) {
      const parsed = type === "delete" ? parseTaskKey(key) : undefined;
      if (parsed?.part === "spec") this.#removed.add(parsed.id);
    }
    for (const { revision, id, next } of steps) {
      if (!next) continue;
      this.#changes.push({ revision, id, state: next.state });
      const ends = this.#ends.get(id) ?? new Set();
      this.#ends.set(id, ends.add(next.state));
    }
  }

  /** Compares what was seen with what was so. */
  finish(): void {
    for (const sighting of this.#ledger.sightings) this.#check(sighting);
    for (const { id, outcome, process, exists } of this.#ledger.waits) {
      if (outcome === "TASK_NOT_FOUND" && exists && !this.#removed.has(id)) {
        this.#find(0, id, `${process} was told that there is no such task, and there was`);
      }
      if (outcome === undefined || !/^[a-z]+$/.test(outcome)) continue;
      if (this.#ends.get(id)?.has(outcome)) continue;
      this.#find(0, id, `${process} was told that it is ${outcome}, and it never was`);
    }
  }

  #check({ from, seen, process }: Sighting): void {
    const to = seen.at(-1)?.revision ?? from;
    const real = this.#changes.filter(({ revision }) => revision > from && revision <= to);
    const states = seen.filter(({ kind }) => kind === "state");
    for (const [index, change] of states.entries()) {
      const expected = real[index];
      if (expected && sameChange(expected, change)) continue;
      const missed = expected ? `${expected.revision} ${expected.id} ${expected.state}` : "nothing";
      const { revision, id, state } = change;
      this.#find(revision, id, `${process} saw it ${state}; the next change was ${missed}`);
      return;
    }
  }

  #find(revision: number, subject: string, what: string): void {
    this.findings.push({ invariant: "I13", revision, subject, what });
  }
}

/** After a compaction a watcher may be shown a task as it is by now. */
function sameChange(
  real: { readonly revision: Revision; readonly id: string; readonly state: string },
  seen: Sighting["seen"][number],
): boolean {
  if (real.revision !== seen.revision || real.id !== seen.id) return false;
  return real.state === seen.state || seen.compacted;
}
