import type { App, TaskView } from "etask";
import type { Report } from "./report.ts";

/** Follows the tasks of the run, says what becomes of them, and lets the run wait for it. */
export class Observer {
  readonly #prefix: string;
  readonly #report: Report;
  readonly #views = new Map<string, TaskView>();
  readonly #percents = new Map<string, Set<number>>();
  readonly #looks = new Set<() => void>();

  constructor(prefix: string, report: Report) {
    this.#prefix = prefix;
    this.#report = report;
  }

  /** Follows every change after a revision until `signal` aborts. */
  async follow(app: App, after: number, signal: AbortSignal): Promise<void> {
    const changes = app.backend.watch({ prefix: this.#prefix, after, signal });
    for await (const { task } of changes) if (task) this.#see(task);
  }

  /** How many different percentages were seen of a task while it ran. */
  steps(name: string): number {
    return this.#percents.get(name)?.size ?? 0;
  }

  /** Waits until a task is as it should be. */
  async until(name: string, fits: (task: TaskView) => boolean): Promise<TaskView> {
    for (;;) {
      const view = this.#views.get(name);
      if (view && fits(view)) return view;
      await new Promise<void>((resolve) => this.#looks.add(resolve));
    }
  }

  #see(task: TaskView): void {
    const name = task.id.slice(this.#prefix.length);
    const before = this.#views.get(name);
    this.#views.set(name, task);
    if (task.state === "running" && task.progress) {
      const percents = this.#percents.get(name) ?? new Set();
      this.#percents.set(name, percents.add(task.progress.percent));
    }
    if (before?.state !== task.state) this.#report.say(`${name} ${stateText(task)}`);
    for (const look of this.#looks) look();
    this.#looks.clear();
  }
}

function stateText({ state, attempt, error, waitsFor }: TaskView): string {
  if (waitsFor !== undefined) return `waits for another try: ${waitsFor}`;
  if (state === "running") return `runs, attempt ${attempt}`;
  return error === undefined ? state : `${state}, ${error.code ?? error.name}: ${error.message}`;
}
