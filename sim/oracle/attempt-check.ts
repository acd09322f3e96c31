/**
 * Who may write what: every end, report and piece of log comes from the attempt that holds the task
 * then, and says what that attempt said.
 *
 * Handlers put the fence and number of their attempt into their results, errors, reports and logs.
 * So what is in the store can be compared with the attempt that held the task when it was written,
 * whatever the code that wrote it believed.
 */
import type { WatchBatch, WatchEvent } from "../../src/store/store.ts";
import { decodeLog, decodeProgress } from "../../src/task/decode.ts";
import { parseTaskKey } from "../../src/task/keyspace.ts";
import { isFinal } from "../../src/task/state.ts";
import type { Origin } from "../world/handlers.ts";
import type { Ledger, Run } from "../world/ledger.ts";
import type { Finding, Invariant } from "./finding.ts";
import type { HistoryCheck, TaskStep } from "./history-check.ts";

/** The attempt that holds a task. */
interface Holder {
  readonly fence: number;
  readonly attempt: number;
  readonly worker: string;
}

const SAYS = /fence=(\d+) attempt=(\d+)/;

/** See the essay above. */
export class AttemptCheck {
  readonly findings: Finding[] = [];
  readonly #history: HistoryCheck;
  readonly #ledger: Ledger;
  readonly #holders = new Map<string, Holder>();
  /** Tasks that somebody wants cancelled. */
  readonly #wanted = new Set<string>();
  /** Every take, by task and fence, and whether a handler was started for it. */
  readonly #takes = new Map<string, boolean>();

  constructor(history: HistoryCheck, ledger: Ledger) {
    this.#history = history;
    this.#ledger = ledger;
  }

  /** How many attempts were begun. */
  get takes(): number {
    return this.#takes.size;
  }

  /** Judges one revision, which `HistoryCheck` has replayed already. */
  step({ revision, events }: WatchBatch, steps: readonly TaskStep[]): void {
    for (const event of events) if (event.type === "put") this.#checkReport(event);
    const wanted = new Set(this.#wanted);
    for (const event of events) this.#noteWish(event);
    for (const step of steps) {
      if (wanted.has(step.id)) this.#checkWish(step);
      this.#checkRetention(step);
      const holder = this.#holders.get(step.id);
      if (holder) this.#checkEnd(step, holder);
      const { next, id } = step;
      if (next?.state === "running") {
        const { attempt, worker = "" } = next;
        this.#holders.set(id, { fence: revision, attempt, worker });
        this.#takes.set(`${id}@${revision}`, false);
      } else this.#holders.delete(id);
    }
  }

  #noteWish({ type, key }: WatchEvent): void {
    const parsed = parseTaskKey(key);
    if (parsed?.part !== "cancel") return;
    if (type === "put") this.#wanted.add(parsed.id);
    else this.#wanted.delete(parsed.id);
  }

  /** Once somebody wants a running task cancelled, it does not wait again. */
  #checkWish({ revision, id, before, next }: TaskStep): void {
    const waits = next?.state === "pending" || next?.state === "scheduled";
    if (before?.state !== "running" || !waits) return;
    this.#find("I3", revision, id, "it waits again although somebody wants it cancelled");
  }

  /** An ended task is kept for as long as its enqueue says. */
  #checkRetention({ revision, id, next, task }: TaskStep): void {
    const { retention } = task.spec ?? {};
    if (!retention || !next || !isFinal(next.state)) return;
    const keptMs = (next.expireAt ?? 0) - next.at;
    const askedMs = next.state === "succeeded" ? retention.succeededMs : retention.failedMs;
    if (keptMs === askedMs) return;
    this.#find("I14", revision, id, `it is kept for ${keptMs} ms, and ${askedMs} were asked for`);
  }

  /** A handler begins: at most once for each take. */
  started({ id, fence, attempt }: Run): void {
    const find = (what: string) => this.#find("I7", fence, id, what);
    const before = this.#takes.get(`${id}@${fence}`);
    if (before === undefined) find("a handler was started for a take that there was not");
    else if (before) find(`a handler was started twice for attempt ${attempt}`);
    this.#takes.set(`${id}@${fence}`, true);
  }

  /** What is said of an attempt must come from the one that holds the task. */
  #checkReport(event: WatchEvent & { type: "put" }): void {
    const { key, entry, modRevision } = event;
    const parsed = parseTaskKey(key);
    if (parsed?.part === "progress") {
      const { attempt, detail } = decodeProgress(entry.value);
      const fence = (detail as { fence?: number } | undefined)?.fence;
      this.#expectHolder(modRevision, parsed.id, "a report", { attempt, fence });
      return;
    }
    const logged = /^log\/(.+)#\d$/.exec(key)?.[1];
    if (logged === undefined) return;
    const [, attempt = 0, text = ""] = decodeLog(entry.value).lines.at(-1) ?? [];
    const fence = SAYS.exec(text)?.[1];
    const said = { attempt, fence: fence === undefined ? undefined : Number(fence) };
    this.#expectHolder(modRevision, logged, "a log", said);
  }

  #expectHolder(
    revision: number,
    id: string,
    what: string,
    said: { readonly attempt: number; readonly fence: number | undefined },
  ): void {
    const holder = this.#holders.get(id);
    if (!holder) this.#find("I5", revision, id, `${what} was written while it did not run`);
    else if (said.attempt !== holder.attempt || (said.fence ?? holder.fence) !== holder.fence) {
      const { fence, attempt } = holder;
      const whose = `attempt ${said.attempt} (fence ${said.fence})`;
      this.#find("I5", revision, id, `${what} of ${whose}; attempt ${attempt} (${fence}) holds it`);
    }
  }

  #checkEnd({ revision, id, before, next }: TaskStep, holder: Holder): void {
    if (before?.state !== "running" || !next) return;
    const find = (invariant: Invariant, what: string) => this.#find(invariant, revision, id, what);
    if (next.state === "succeeded") {
      this.#checkResult(revision, id, next.result, holder);
      return;
    }
    const text = next.error?.message ?? next.waitsFor ?? "";
    const [, fence, attempt] = SAYS.exec(text) ?? [];
    if (fence !== undefined && next.error !== before.error) {
      const own = Number(fence) === holder.fence && Number(attempt) === holder.attempt;
      if (!own) find("I5", `attempt ${attempt} (fence ${fence}) ended attempt ${holder.attempt}`);
    }
    if (next.reason === "invalid") find("I6", "it failed as invalid, and nothing of it is");
    const rescued = next.by !== undefined && next.by !== before.by;
    const lost = (next.lost ?? 0) > (before.lost ?? 0) || next.reason === "worker-lost";
    if ((rescued || lost) && this.#history.isAlive(holder.worker)) {
      find("I4", `it was taken from ${holder.worker}, which is registered`);
    }
  }

  #checkResult(revision: number, id: string, result: unknown, holder: Holder): void {
    const { fence, attempt } = (result ?? {}) as Partial<Origin>;
    if (fence !== holder.fence || attempt !== holder.attempt) {
      const whose = `attempt ${attempt} (fence ${fence})`;
      this.#find("I5", revision, id, `${whose} ended attempt ${holder.attempt} (${holder.fence})`);
      return;
    }
    const run = this.#ledger.runsOf.get(id)?.find((each) => each.fence === fence);
    if (run?.result === JSON.stringify(result)) return;
    this.#find("I6", revision, id, `its result is not what its handler returned: ${run?.result}`);
  }

  #find(invariant: Invariant, revision: number, subject: string, what: string): void {
    this.findings.push({ invariant, revision, subject, what });
  }
}
