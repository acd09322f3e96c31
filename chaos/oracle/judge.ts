/** Judges a run by all that is known of it: the history, the journals, and what is left. */
import type { Finding, Invariant } from "../../sim/oracle/finding.ts";
import { Oracle } from "../../sim/oracle/oracle.ts";
import { LINEAR_PREFIX } from "../actors/store-client.ts";
import { type GroupVerdict, judgeStoreOps, staleAnswers } from "../linear/store-model.ts";
import type { Recorded } from "../recorder.ts";
import type { Evidence, HandlerRun } from "./evidence.ts";
import { type Tally, tallyOf } from "./tally.ts";
import { validateWatch } from "./watch-validators.ts";

/** What is judged. */
export interface Case {
  readonly history: readonly Recorded[];
  readonly evidence: Evidence;
  /** Turns the machine's wall time into the oracle's. */
  readonly timeOf: (wall: number) => number;
  /** How far any two clocks have been apart. */
  readonly skewMs: number;
  /** What was found while the run went on. */
  readonly findings: readonly Finding[];
  /** In how many milliseconds everything ended; absent when it did not. */
  readonly drainMs?: number;
  /** How many keys were compared with the replayed history at the end. */
  readonly compared: number;
  /** Whether it was waited until retention was over. */
  readonly cleaned: boolean;
}

/** What was found of one invariant. */
export interface Row {
  readonly invariant: Invariant;
  readonly title: string;
  readonly counts: string;
  readonly findings: readonly Finding[];
}

/** What came of a run. */
export interface Verdict {
  readonly rows: readonly Row[];
  readonly findings: readonly Finding[];
}

/** See above. */
export function judge(run: Case): Verdict {
  const { history, evidence, timeOf, skewMs } = run;
  const findings: Finding[] = [...run.findings];
  const oracle = new Oracle(evidence.ledger, { ordered: false });
  for (const { revision, events, wall } of history) {
    oracle.step({ revision, events }, { at: timeOf(wall), late: false }, skewMs);
  }
  const last = history.at(-1)?.revision ?? 0;
  for (const each of evidence.ledger.runs) {
    if (each.fence <= last) oracle.attempts.started(each);
  }
  oracle.finish();
  findings.push(...oracle.findings);
  findings.push(...evidence.broken.map((what) => finding("I15", "process", what)));
  const store = judgeStore(run, findings);
  const tally = tallyOf(history);
  const rows = rowsOf(run, tally, store);
  return {
    findings,
    rows: rows.map((row) => ({
      ...row,
      findings: findings.filter(({ invariant }) => invariant === row.invariant),
    })),
  };
}

interface StoreFacts {
  readonly groups: readonly GroupVerdict[];
  readonly batches: number;
  readonly resumed: number;
}

function judgeStore({ history, evidence }: Case, findings: Finding[]): StoreFacts {
  const { ops, sessions } = evidence;
  const values = new Set<string>();
  for (const { events } of history) {
    for (const event of events) {
      if (event.type === "put" && event.key.startsWith(LINEAR_PREFIX)) {
        values.add(`${event.key} ${Buffer.from(event.entry.value).toString()}`);
      }
    }
  }
  const groups = judgeStoreOps(ops, (key, value) => values.has(`${key} ${value}`));
  for (const { group, verdict } of groups) {
    if (verdict !== "no") continue;
    findings.push(finding("I17", group, "no order of its operations explains their answers"));
  }
  for (const what of staleAnswers(ops)) findings.push(finding("I17", "store", what));
  for (const session of sessions) {
    for (const what of validateWatch(session, LINEAR_PREFIX, history)) {
      findings.push(finding("I13", session.process, what));
    }
  }
  const batches = sessions.reduce((sum, session) => sum + session.batches.length, 0);
  const resumed = sessions.filter(
    ({ after, batches: [first] }) =>
      first !== undefined && (first.events[0]?.revision ?? 0) > after,
  ).length;
  return { groups, batches, resumed };
}

/** A finding about no revision. */
export function finding(invariant: Invariant, subject: string, what: string): Finding {
  return { invariant, revision: 0, subject, what };
}

type Counted = Omit<Row, "findings">;

function rowsOf(run: Case, tally: Tally, store: StoreFacts): Counted[] {
  const { evidence } = run;
  const { ledger, events } = evidence;
  const answers = count(ledger.orders.map(({ answer }) => answer.kind));
  const stale = events.get("etask:task:stale") ?? 0;
  const damaged = events.get("etask:record:malformed") ?? 0;
  const overlaps = overlapping(evidence.runs);
  const unfinished = evidence.runs.filter(({ endedAt }) => endedAt === undefined).length;
  const outcomes = ledger.waits.filter(({ outcome }) => /^[a-z]+$/.test(outcome ?? "")).length;
  const seen = ledger.sightings.reduce((sum, sighting) => sum + sighting.seen.length, 0);
  const opCount = n(evidence.ops.length);
  const unknown = evidence.ops.filter(({ end }) => end === undefined).length;
  const undecided = store.groups.filter(({ verdict }) => verdict === "undecided").length;
  const row = (invariant: Invariant, title: string, counts: string) => ({
    ...{ invariant, title, counts },
  });
  return [
    row("I1", "nothing lost, nothing twice", `${n(ledger.orders.length)} orders: ${answers}`),
    row(
      "I2",
      "one index key for each state",
      `${n(tally.revisions)} revisions, damaged records met ${n(damaged)} times`,
    ),
    row("I3", "legal transitions", `${n(tally.steps)} transitions, ${n(tally.ends)} ends`),
    row("I4", "fencing", `${n(tally.takes)} attempts, ${n(stale)} stale writes refused`),
    row("I5", "no stale writer", `${n(tally.ends + tally.reports)} outcomes, reports and logs`),
    row("I6", "results as returned", `${n(tally.succeeded)} results`),
    row(
      "I7",
      "one call for each take",
      `${n(evidence.runs.length)} calls, ${n(unfinished)} cut off, ${n(overlaps)} side by side`,
    ),
    row("I8", "order", "judged without faults, by the simulation"),
    row("I9", "never early", `${n(tally.promoted)} made ready, clocks within ${run.skewMs} ms`),
    row("I10", "each instant once", `${n(tally.ticks)} tasks of schedules`),
    row("I11", "canvas", "not part of etask yet"),
    row("I12", "one task for a key", `${n(tally.claims)} unique keys taken`),
    row(
      "I13",
      "watches show the truth",
      `${n(run.compared)} keys compared, ${n(seen)} changes seen, ${n(outcomes)} waits answered, ` +
        `${n(store.batches)} batches, ${n(store.resumed)} watches resumed`,
    ),
    row(
      "I14",
      "nothing left",
      run.cleaned ? "until retention was over" : "no index, hand or lease",
    ),
    row(
      "I15",
      "everything ends",
      `${run.drainMs === undefined ? "not" : `${(run.drainMs / 1_000).toFixed(1)} s`} after the ` +
        `storm, ${n(tally.rescued)} rescues`,
    ),
    row("I16", "stores alike", "judged by test/differential"),
    row(
      "I17",
      "the store is linearizable",
      `${opCount} operations in ${n(store.groups.length)} histories, ${n(unknown)} of unknown ` +
        `outcome, ${n(undecided)} undecided`,
    ),
  ];
}

/**
 * Handlers of one task that ran at the same time; the store knows only one of them as its holder.
 */
function overlapping(runs: readonly HandlerRun[]): number {
  const byTask = new Map<string, HandlerRun[]>();
  for (const run of runs) byTask.set(run.id, [...(byTask.get(run.id) ?? []), run]);
  let overlaps = 0;
  for (const all of byTask.values()) {
    all.sort((one, other) => one.fence - other.fence);
    for (const [index, run] of all.entries()) {
      const next = all[index + 1];
      if (next && run.endedAt !== undefined && run.endedAt > next.startedAt) overlaps += 1;
    }
  }
  return overlaps;
}

function count(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, times]) => `${n(times)} ${word}`).join(", ");
}

function n(number: number): string {
  return number.toLocaleString("en");
}
