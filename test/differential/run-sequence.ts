import assert from "node:assert/strict";
import type { MemoryStorage } from "../../src/store/memory/index.ts";
import type { Command, GuardCommand, Moment } from "./commands.ts";
import { type Step, Subject, type SubjectWorld } from "./subject.ts";
import { createMemoryWorld } from "./worlds.ts";

/**
 * Does the same things to the memory model and to other stores, and compares every answer and, at
 * the end, everything that watches delivered.
 *
 * What a sequence leaves open, such as "as of now", is settled by asking the model: what the others
 * are asked for depends on the model alone.
 */
export async function runSequence(
  commands: readonly Command[],
  worlds: readonly SubjectWorld[],
): Promise<void> {
  const { world, storage } = createMemoryWorld();
  const model = await Subject.begin(world);
  const others = await Promise.all(worlds.map((each) => Subject.begin(each)));
  const guide = new Guide(storage);
  for (const [index, command] of commands.entries()) {
    const step = guide.step(command);
    if (step === undefined) continue;
    const expected = await model.answer(step);
    await Promise.all(
      others.map(async (other) => {
        const what = `${other.world.name}, command ${index}: ${JSON.stringify(step)}`;
        assert.deepEqual(await other.answer(step), expected, what);
      }),
    );
  }
  const [expected, ...seen] = await Promise.all([model, ...others].map((each) => each.end()));
  for (const [index, each] of seen.entries()) {
    assert.deepEqual(each, expected, `${others[index]?.world.name}, watches`);
  }
}

/** Turns commands into steps that mean the same on every store. */
class Guide {
  readonly #storage: MemoryStorage;
  readonly #base: number;
  /**
   * For each lease of the sequence whether it is short; what becomes of it is the model's affair.
   */
  readonly #short: boolean[] = [];
  /** History from here on is still wanted by a watch. */
  #watchedAfter = Number.POSITIVE_INFINITY;

  constructor(storage: MemoryStorage) {
    this.#storage = storage;
    this.#base = storage.revision;
  }

  /** `undefined` when stores may rightly differ, or the command makes no sense now. */
  step(command: Command): Step | undefined {
    const now = this.#storage.revision - this.#base;
    const compacted = this.#storage.compactRevision - this.#base;
    switch (command.do) {
      case "commit":
        return {
          do: "commit",
          parts: command.parts.map((part) => ({
            ...part,
            guards: part.guards.map((guard) => ({ ...guard, at: this.#guardMoment(guard, now) })),
          })),
        };
      case "range":
        return { ...command, at: command.at === "now" ? undefined : at(command.at, now) };
      case "watch": {
        const after = at(command.after, now);
        // One below the compaction a store may deliver or refuse.
        if (after === compacted - 1) return undefined;
        if (after >= compacted) this.#watchedAfter = Math.min(this.#watchedAfter, after);
        return { ...command, after };
      }
      case "grant": {
        // Time cannot tell two short ones apart.
        const short = command.short && !this.#short.includes(true);
        this.#short.push(short);
        return { do: "grant", short };
      }
      case "expire": {
        const short = this.#short[command.lease % this.#short.length] ?? false;
        return short ? command : undefined;
      }
      case "compact": {
        // A watch that began is not to lose what it may not have received yet.
        const target = Math.min(at(command.at, now), now, this.#watchedAfter);
        return target > compacted ? { do: "compact", at: target } : undefined;
      }
      default:
        return command;
    }
  }

  /** Changes since the beginning; 0 stands for an absent key's revision. */
  #guardMoment({ key, is, at: moment }: GuardCommand, now: number): number {
    if (moment !== "now") return at(moment, now);
    const entry = this.#storage.get(key);
    const revision = is === "created" ? entry?.createRevision : entry?.modRevision;
    return revision === undefined ? 0 : revision - this.#base;
  }
}

/** A moment as changes since the beginning; not before it, as that is another sequence's time. */
function at(moment: Moment, now: number): number {
  return moment === "now" ? now : Math.max(0, now - moment);
}
