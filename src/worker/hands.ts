import { del, type Part, type Write } from "../store/part.ts";
import { handKey } from "../task/keyspace.ts";

/**
 * Counts what is left of each batch that this worker took, so that the batch's `hand/` entry goes
 * when nothing of it runs any more.
 *
 * An entry must never go before the last outcome of its batch has landed, or a rescuer would not
 * find the task. So the outcome that is the only one left takes the entry with it; when the last
 * outcomes are under way side by side, the entry goes in a commit of its own after them. An entry
 * that lists too much is harmless.
 */
export class Hands {
  readonly #worker: string;
  readonly #open = new Map<number, { left: number; going: boolean }>();
  #next = 1;

  constructor(worker: string) {
    this.#worker = worker;
  }

  /** A number for the next batch. */
  begin(): number {
    return this.#next++;
  }

  /** Notes how many tasks of a batch were really taken; returns what is left to write for none. */
  taken(batch: number, count: number): readonly Part[] {
    if (count === 0) return [this.#forget(batch)];
    this.#open.set(batch, { left: count, going: false });
    return [];
  }

  /** What an outcome that is about to be committed must write besides. */
  ending(batch: number): readonly Write[] {
    const open = this.#open.get(batch);
    if (open?.left !== 1) return [];
    open.going = true;
    return [del(handKey(this.#worker, batch))];
  }

  /** Notes that an outcome was `recorded`, or else refused; returns what is left to commit. */
  ended(batch: number, recorded: boolean): readonly Part[] {
    const open = this.#open.get(batch);
    if (!open) return [];
    open.left -= 1;
    if (open.left > 0) return [];
    this.#open.delete(batch);
    return open.going && recorded ? [] : [this.#forget(batch)];
  }

  #forget(batch: number): Part {
    return { guards: [], writes: [del(handKey(this.#worker, batch))] };
  }
}
