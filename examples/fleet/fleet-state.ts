/** What the demo knows of its tasks, kept up to date from the changes that the store reports. */
import type { TaskChange, TaskState, TaskView } from "etask";
import { labelOf, tickOf } from "./plan.ts";

/** One task, as it is shown. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  state: TaskState;
  attempt: number;
  /** The name of the worker that runs it or ran it last. */
  worker: string;
  percent: number;
  step: string;
  /** Its worker was killed while it ran. */
  lost: boolean;
  /** It was lost and is in its queue again, or runs again. */
  rescue: "none" | "queued" | "running";
  /** How often a final state was recorded: once, if all is well. */
  ends: number;
  /** Milliseconds that the last attempt took. */
  tookMs: number;
}

/** Something worth a line in the log. */
export interface Note {
  readonly text: string;
  readonly kind: "plain" | "good" | "bad" | "warning" | "rescue";
}

/** Sent in bulk and done at once: they are counted, not shown one by one. */
export const BULK_KIND = "message.send";
/** Asked for a time later. */
const LATER_KIND = "node.check";
const QUICK_KINDS: readonly string[] = [BULK_KIND, LATER_KIND];

/** See above. */
export class FleetState {
  readonly jobs = new Map<string, Job>();
  /** The tasks that each worker runs, each in a place that it keeps: so that rows do not jump. */
  readonly rows = new Map<string, (Job | undefined)[]>();
  /** The name of the worker that was killed. */
  killed = "";
  readonly #total: number;
  readonly #names = new Map<string, string>();

  constructor(total: number, workers: readonly string[], slots: number) {
    this.#total = total;
    for (const name of workers) this.rows.set(name, Array.from({ length: slots }));
  }

  /** A worker process registered under `id`. It may do so again, after it lost its lease. */
  workerStarted(name: string, id: string): void {
    this.#names.set(id, name);
  }

  /** The worker is dead; these are the tasks it was running. */
  workerKilled(name: string, ids: readonly string[]): void {
    this.killed = name;
    for (const id of ids) {
      const job = this.jobs.get(id);
      if (job) job.lost = true;
    }
  }

  /** Whether the worker of that name runs under that id, now or before. */
  isWorker(name: string, id: string | undefined): boolean {
    return id !== undefined && this.#names.get(id) === name;
  }

  /** Whether a worker of that name has registered. */
  isStarted(name: string): boolean {
    return [...this.#names.values()].includes(name);
  }

  /** How many of the tasks that are sent in bulk the worker runs now. */
  bulkRunning(name: string): number {
    const isMine = (job: Job) =>
      job.kind === BULK_KIND && job.state === "running" && job.worker === name;
    return [...this.jobs.values()].filter(isMine).length;
  }

  /** How many tasks are in that state. */
  count(state: TaskState): number {
    return [...this.jobs.values()].filter((job) => job.state === state).length;
  }

  /** The tasks that have ended. */
  get ended(): number {
    return [...this.jobs.values()].filter((job) => job.ends > 0 && !isTick(job)).length;
  }

  /** Tasks that a schedule made and that have ended. */
  get ticks(): number {
    return [...this.jobs.values()].filter((job) => job.ends > 0 && isTick(job)).length;
  }

  /** The tasks that there will be. */
  get total(): number {
    return this.#total;
  }

  /**
   * Whether the long work is half-way and the worker is in the middle of some of it: of much, or,
   * when that does not come to pass, of some.
   */
  isHalfWay(worker: string): boolean {
    const long = [...this.jobs.values()].filter(({ kind }) => kind === "disk.format");
    const sum = long.reduce((total, job) => total + (job.ends > 0 ? 100 : job.percent), 0);
    const done = sum / Math.max(1, long.length);
    const mine = long.filter((job) => job.state === "running" && job.worker === worker);
    const wanted = done < 60 ? 3 : 1;
    return done >= 40 && mine.length >= wanted && mine.some(({ percent }) => percent >= 30);
  }

  /** Takes in one change; returns what is worth telling. `now` is for "again in …". */
  apply({ task, kind }: TaskChange, now: number): Note | undefined {
    if (!task) return undefined;
    const job = this.#jobOf(task);
    const before = job.state;
    job.state = task.state;
    job.attempt = task.attempt;
    job.worker = this.#nameOf(task.worker);
    // Until an attempt reports, a task shows what the one before it said.
    job.percent = task.state === "pending" ? 0 : (task.progress?.percent ?? 0);
    job.step = stepOf(task.progress?.detail);
    if (kind !== "state") return undefined;
    this.#place(job);
    if (task.state === "running" && before !== "running") {
      job.percent = 0;
      job.step = "";
    }
    return this.#noteOf(job, task, now);
  }

  #jobOf({ id }: TaskView): Job {
    const known = this.jobs.get(id);
    if (known) return known;
    const job: Job = {
      id,
      ...labelOf(id),
      state: "pending",
      attempt: 0,
      worker: "",
      percent: 0,
      step: "",
      lost: false,
      rescue: "none",
      ends: 0,
      tookMs: 0,
    };
    this.jobs.set(id, job);
    return job;
  }

  #nameOf(worker: string | undefined): string {
    return worker === undefined ? "" : (this.#names.get(worker) ?? "?");
  }

  #place(job: Job): void {
    if (QUICK_KINDS.includes(job.kind)) return;
    for (const row of this.rows.values()) {
      const at = row.indexOf(job);
      if (at >= 0) row[at] = undefined;
    }
    if (job.state !== "running") return;
    const row = this.rows.get(job.worker);
    const free = row?.indexOf(undefined) ?? -1;
    if (row && free >= 0) row[free] = job;
  }

  #noteOf(job: Job, task: TaskView, now: number): Note | undefined {
    const what = `${job.kind} ${job.name}`;
    const why = task.error?.message ?? "";
    switch (job.state) {
      case "running":
        if (!job.lost || job.rescue === "running") return undefined;
        job.rescue = "running";
        return {
          kind: "rescue",
          text: `${what} picked up by ${job.worker}, attempt ${job.attempt}`,
        };
      case "scheduled": {
        if (task.attempt === 0) return undefined;
        const pause = seconds(Math.max(0, Number(task.dueAt) - now));
        const text = `${what} failed, again in ${pause}: ${why}`;
        return { kind: "warning", text };
      }
      case "succeeded":
      case "failed":
      case "cancelled":
      case "expired":
        job.ends += 1;
        job.tookMs = Number(task.finishedAt) - Number(task.startedAt);
        return isTick(job) ? undefined : endNote(job, what, task);
      case "pending":
        if (job.lost && job.rescue === "none") job.rescue = "queued";
        return undefined;
    }
  }
}

function isTick({ id }: Job): boolean {
  return tickOf(id) !== undefined;
}

function endNote(job: Job, what: string, task: TaskView): Note | undefined {
  const { cancel } = task;
  if (job.state === "cancelled" && cancel) {
    const text = `${what} cancelled at ${job.percent.toFixed(0)} % by ${cancel.by}: ${cancel.reason}`;
    return { kind: "warning", text };
  }
  const why = task.error?.message ?? "";
  if (job.state !== "succeeded") return { kind: "bad", text: `${what} ${job.state}: ${why}` };
  if (job.kind === BULK_KIND) return undefined;
  if (job.kind === LATER_KIND) {
    const waited = seconds(Number(task.startedAt) - Number(task.createdAt));
    return {
      kind: "good",
      text: `${what} succeeded on ${job.worker}, begun ${waited} later as asked`,
    };
  }
  const tries = job.attempt > 1 ? `, attempt ${job.attempt}` : "";
  return {
    kind: "good",
    text: `${what} succeeded on ${job.worker}${tries}, ${seconds(job.tookMs)}`,
  };
}

/** Milliseconds as people read them: `3.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function stepOf(detail: unknown): string {
  const step = (detail as { step?: unknown } | undefined)?.step;
  return typeof step === "string" ? step : "";
}
