import type { Revision } from "../../store/store.ts";

/** Remembers the highest fence of each task, for so many tasks as were seen last. */
export class FenceBook {
  readonly #tasksMax: number;
  readonly #fences = new Map<string, Revision>();

  constructor(tasksMax: number) {
    this.#tasksMax = tasksMax;
  }

  /** The highest fence seen of a task, 0 for one that is not remembered. */
  highest(task: string): Revision {
    return this.#fences.get(task) ?? 0;
  }

  /** Notes a fence; a lower one than is remembered changes nothing. */
  note(task: string, fence: Revision): void {
    const highest = Math.max(fence, this.highest(task));
    // A map goes in the order of insertion, so the first one is the one that was not seen longest.
    this.#fences.delete(task);
    this.#fences.set(task, highest);
    if (this.#fences.size <= this.#tasksMax) return;
    const [oldest] = this.#fences.keys();
    if (oldest !== undefined) this.#fences.delete(oldest);
  }
}
