/**
 * One run of the demo, from starting the processes to the summary.
 *
 * Everything that is shown comes from one watch of the store, begun before the first task is there.
 * The run ends when the watch has shown the end of every task and the producer has its results;
 * when a process ends that should not have; or when it is interrupted.
 */
import type { App } from "etask";
import { allTasks, fileFindings, recordFindings } from "./check.ts";
import { Child, type Message } from "./children.ts";
import { DemoError } from "./demo-error.ts";
import { FleetState, type Job, type Note, seconds } from "./fleet-state.ts";
import { buildFleet, runMachines } from "./machines.ts";
import { everyTask, labelOf, type Plan, planOf, rhythmOf } from "./plan.ts";
import type { Screen } from "./screen.ts";
import { noteLines, panelLines, statusNote, summaryLines } from "./view.ts";

const SLOTS = 4;
const WORKERS = ["A", "B"];
const VICTIM = "A";
const DRAW_EVERY_MS = 100;
const STATUS_EVERY_MS = 2_000;
const FINDINGS_SHOWN_MAX = 10;
const CANCEL_PERCENT = 5;
const TICKS_MIN = 5;

/** What a run works with. */
export interface FleetRunOptions {
  readonly app: App;
  /** The store's URL, for the other processes. */
  readonly url: string;
  readonly directory: string;
  readonly screen: Screen;
  /** Leave the tasks in the store. */
  readonly keep: boolean;
}

/** See above. Disposing of it ends its processes. */
export class FleetRun implements AsyncDisposable {
  readonly #with: FleetRunOptions;
  readonly #name = `fleet-${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;
  readonly #plan: Plan;
  readonly #fleet: FleetState;
  readonly #workers = new Map<string, Child>();
  readonly #children: Child[] = [];
  /** Aborts when the run cannot go on. */
  readonly #failed = new AbortController();
  readonly #startedAt = performance.now();
  #settled: Readonly<Record<string, string>> = {};
  #leader = "";
  #tookOverAt: number | undefined;
  #killedAt: number | undefined;
  #queuedAt: number | undefined;
  #runningAt: number | undefined;

  constructor(options: FleetRunOptions) {
    this.#with = options;
    this.#plan = planOf(this.#name);
    this.#fleet = new FleetState(everyTask(this.#plan).length, WORKERS, SLOTS);
  }

  /** Runs to the end and returns what was not as planned. Rejects with the signal's reason. */
  async run(interrupted: AbortSignal): Promise<readonly string[]> {
    const { app, url, directory } = this.#with;
    this.#note("plain", `store ${shownUrl(url)}`);
    this.#note("plain", `fleet ${directory}`);
    await buildFleet(directory);
    const { revision } = await app.backend.list({ prefix: this.#name, limit: 1 });
    const ended = new AbortController();
    const stopShowing = this.#show();
    const signal = AbortSignal.any([interrupted, this.#failed.signal]);
    try {
      const machines = runMachines(directory, AbortSignal.any([signal, ended.signal]));
      await Promise.all([machines, this.#work(revision, signal).finally(() => ended.abort())]);
    } finally {
      stopShowing();
    }
    return await this.#sumUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.end("SIGKILL")));
  }

  async #work(after: number, signal: AbortSignal): Promise<void> {
    const following = this.#follow(after, signal);
    const starting = this.#startAll(signal);
    const [, producer] = await Promise.all([following, starting, this.#cancelWipes(after, signal)]);
    await producer.ended();
    await this.#with.app.schedules.remove(rhythmOf(this.#name).name);
    signal.throwIfAborted();
    const workers = [...this.#workers].filter(([name]) => name !== this.#fleet.killed);
    for (const [name, worker] of workers) {
      const how = await worker.end("SIGTERM");
      this.#note("plain", `worker ${name} stopped ${how}`);
    }
  }

  /** Two workers, one after the other so that the first one is the Beat; then the producer. */
  async #startAll(signal: AbortSignal): Promise<Child> {
    for (const name of WORKERS) await this.#startWorker(name, signal);
    const { name, ...definition } = rhythmOf(this.#name);
    await this.#with.app.schedules.create(name, definition);
    this.#note("plain", `schedule ${name}: ${definition.task} every second`);
    return this.#start("producer", "producer.ts", ({ settled }) => {
      if (settled) this.#settled = settled;
    });
  }

  #startWorker(name: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      const child = this.#start(`worker ${name}`, "worker.ts", ({ worker, leads }) => {
        if (leads) this.#led(name);
        if (worker !== undefined) {
          this.#fleet.workerStarted(name, worker);
          this.#note("plain", `worker ${name} takes tasks, process ${child.pid}, id ${worker}`);
        }
        // The first one is waited for until it leads; the second one leads only when that is gone.
        if (this.#fleet.isStarted(name) && this.#leader !== "") resolve();
      });
      this.#workers.set(name, child);
    });
  }

  #led(name: string): void {
    this.#leader = name;
    if (this.#killedAt === undefined) this.#note("plain", `Beat: worker ${name} leads`);
    else {
      this.#tookOverAt ??= performance.now();
      const since = this.#sinceKill(this.#tookOverAt);
      this.#note("rescue", `Beat: worker ${name} leads, ${since} after the kill`);
    }
  }

  /** Thinks better of it, from a process that runs nothing itself, once each wipe is under way. */
  async #cancelWipes(after: number, signal: AbortSignal): Promise<void> {
    const { app } = this.#with;
    for (const { id } of this.#plan.wipes) {
      for await (const task of watchTask(app, id, after, signal)) {
        if (task.state !== "running" || (task.progress?.percent ?? 0) < CANCEL_PERCENT) continue;
        const { outcome } = await app
          .handle(id)
          .cancel({ reason: "the disk is still needed", by: "demo" });
        const { kind, name } = labelOf(id);
        this.#note("plain", `${kind} ${name} runs; asked to cancel it: ${outcome}`);
        break;
      }
    }
  }

  #start(name: string, file: string, onMessage: (message: Message) => void): Child {
    const { url, directory } = this.#with;
    const env = { ETASK_STORE: url, FLEET_DIR: directory, FLEET_RUN: this.#name };
    const child = new Child(file, env, {
      line: (text) => this.#note("plain", `${name}: ${text}`),
      message: onMessage,
      failed: (how) => this.#failed.abort(new DemoError(1, `The ${name} process ended ${how}.`)),
    });
    this.#children.push(child);
    return child;
  }

  async #follow(after: number, signal: AbortSignal): Promise<void> {
    const fleet = this.#fleet;
    const options = { prefix: this.#name, after, signal };
    for await (const change of this.#with.app.backend.watch(options)) {
      const note = fleet.apply(change, Date.now());
      if (note) this.#note(note.kind, note.text);
      if (this.#killedAt === undefined && fleet.isHalfWay(VICTIM)) this.#kill();
      if (this.#killedAt !== undefined) this.#noteRescue();
      const tookOver = this.#tookOverAt !== undefined;
      if (fleet.ended === fleet.total && tookOver && fleet.ticks >= TICKS_MIN) return;
    }
    signal.throwIfAborted();
  }

  #kill(): void {
    this.#killedAt = performance.now();
    this.#killVictim().catch((error) => this.#failed.abort(error));
  }

  async #killVictim(): Promise<void> {
    const { backend } = this.#with.app;
    await this.#workers.get(VICTIM)?.end("SIGKILL");
    // What a dead process was running is what the store says: nobody else writes that now.
    const tasks = await allTasks(backend, `${this.#name}/`, "running");
    const ids = tasks
      .filter(({ worker }) => this.#fleet.isWorker(VICTIM, worker))
      .map(({ id }) => id);
    this.#fleet.workerKilled(VICTIM, ids);
    const names = ids.map((id) => Object.values(labelOf(id)).join(" ")).join(", ");
    this.#note("bad", `worker ${VICTIM} killed (SIGKILL) while running: ${names}`);
  }

  #noteRescue(): void {
    const lost = [...this.#fleet.jobs.values()].filter((job) => job.lost);
    // A task may have ended in the last moment before the kill, after it was seen running.
    const all = (test: (job: Job) => boolean) =>
      lost.length > 0 && lost.every((job) => job.ends > 0 || test(job));
    const now = performance.now();
    if (all(({ rescue }) => rescue !== "none")) this.#queuedAt ??= now;
    if (this.#runningAt !== undefined || !all(({ rescue }) => rescue === "running")) return;
    this.#runningAt = now;
    this.#note("rescue", `all ${lost.length} run again, ${this.#sinceKill(now)} after the kill`);
  }

  async #sumUp(): Promise<readonly string[]> {
    const { app, directory, keep, screen } = this.#with;
    const ms = this.#ms();
    const tasks = await allTasks(app.backend, this.#name);
    const findings = [
      ...recordFindings({ plan: this.#plan, tasks, fleet: this.#fleet, settled: this.#settled }),
      ...(await fileFindings(this.#plan, directory)),
    ];
    screen.log([]);
    for (const line of summaryLines(this.#fleet)) screen.log(line);
    screen.log([]);
    for (const line of this.#storyLines(tasks.length, ms)) screen.log([{ text: line }]);
    if (findings.length === 0) {
      const text = "Every end was recorded exactly once, and the fleet's files are as planned.";
      screen.log([{ text, style: "green" }]);
    }
    if (keep) screen.log([{ text: `Kept: ${directory}, task ids ${this.#name}/` }]);
    else for (const { id } of tasks) await app.backend.remove(id);
    return findings.slice(0, FINDINGS_SHOWN_MAX);
  }

  #storyLines(tasks: number, ms: number): readonly string[] {
    const lost = [...this.#fleet.jobs.values()].filter((job) => job.lost).length;
    const queued = this.#sinceKill(this.#queuedAt);
    const running = this.#sinceKill(this.#runningAt);
    return [
      `${tasks} tasks in ${seconds(ms)}. Worker ${VICTIM}, which was the Beat, too, was killed with`,
      `${lost} tasks running: they were back in their queue ${queued} later, and all running`,
      `again ${running} after the kill. Worker ${this.#leader} was the Beat ${this.#sinceKill(this.#tookOverAt)} after it, and the`,
      `schedule made a task for each of ${this.#fleet.ticks} seconds, none twice.`,
    ];
  }

  #sinceKill(at: number | undefined): string {
    return at === undefined || this.#killedAt === undefined
      ? "never"
      : seconds(at - this.#killedAt);
  }

  /** Draws the panel, or says from time to time how far it is. Returns what ends that. */
  #show(): () => void {
    const { screen } = this.#with;
    const draw = () => screen.draw(panelLines(this.#fleet, this.#ms(), screen.look));
    let last = "";
    const say = () => {
      const note = statusNote(this.#fleet);
      if (note.text !== last && this.#fleet.jobs.size > 0) this.#note(note.kind, note.text);
      last = note.text;
    };
    const timer = screen.live
      ? setInterval(draw, DRAW_EVERY_MS)
      : setInterval(say, STATUS_EVERY_MS);
    return () => {
      clearInterval(timer);
      screen.close();
    };
  }

  #note(kind: Note["kind"], text: string): void {
    const { screen } = this.#with;
    for (const line of noteLines(this.#ms(), { kind, text }, screen.look)) screen.log(line);
  }

  #ms(): number {
    return performance.now() - this.#startedAt;
  }
}

/** A task after each of its changes, from when it is there. */
async function* watchTask(app: App, id: string, after: number, signal: AbortSignal) {
  for await (const { task } of app.backend.watch({ prefix: id, after, signal })) {
    if (task) yield task;
  }
}

/** The URL without user and password. */
function shownUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}
