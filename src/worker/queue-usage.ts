/**
 * How many handlers of each queue a worker runs, over all its lives: a queue may have a limit of
 * its own below the worker's slots.
 */
export class QueueUsage {
  readonly #used = new Map<string, number>();

  /** Handlers of the queue that run, or are about to. */
  used(queue: string): number {
    return this.#used.get(queue) ?? 0;
  }

  /** Notes one more. */
  occupy(queue: string): void {
    this.#used.set(queue, this.used(queue) + 1);
  }

  /** Notes one less. */
  release(queue: string): void {
    const left = this.used(queue) - 1;
    if (left > 0) this.#used.set(queue, left);
    else this.#used.delete(queue);
  }
}
