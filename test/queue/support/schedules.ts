import type { App } from "../../../src/app.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { runLoop } from "../../../src/base/loop.ts";
import { runTicker } from "../../../src/beat/ticker.ts";
import type { Store } from "../../../src/store/store.ts";
import { parseTaskKey } from "../../../src/task/keyspace.ts";
import type { RegisteredTask } from "../../../src/task/task.ts";
import { noteEvents } from "./events.ts";
import { createWorld, type World } from "./world.ts";

/** A ticker that runs until it is stopped. */
export interface RunningTicker {
  stop(): Promise<void>;
}

/** A world with an app that has no Beat of its own, and what its schedules did. */
export interface ScheduleWorld extends AsyncDisposable {
  readonly world: World;
  readonly app: App;
  /** Starts one more ticker, by default on the world's clock and storage. */
  tick(parts?: { store?: Store; clock?: Clock }): RunningTicker;
  /** When the tasks of a schedule were made for, in seconds after the start. */
  ticked(schedule: string): number[];
  /** The instants that made none, in seconds after the start, and why. */
  skipped(schedule: string): [number, string][];
  /** How often a spec was put, by the id of its task. */
  specs(): Map<string, number>;
  /** `{schedule}@{so many seconds after the start}` */
  idAt(schedule: string, seconds: number): string;
}

/** Creates a {@link ScheduleWorld}. */
export async function createScheduleWorld(
  tasks: readonly RegisteredTask[] = [],
): Promise<ScheduleWorld> {
  const world = createWorld();
  const startedAt = world.clock.now();
  const app = await world.app(tasks, { beat: false });
  const ticks = noteEvents("etask:schedule:ticked");
  const skips = noteEvents("etask:schedule:skipped");
  const tickers = new Set<RunningTicker>();
  const seconds = (tick: number) => (tick - startedAt) / 1_000;
  return {
    world,
    app,
    tick: ({ store = world.storage.open(), clock = world.clock } = {}) => {
      const ending = new AbortController();
      const parts = { clock, random: world.random };
      const ended = runLoop("ticker", parts, ending.signal, (signal) =>
        runTicker(store, parts, signal),
      );
      const ticker: RunningTicker = {
        stop: async () => {
          tickers.delete(ticker);
          ending.abort();
          await world.drive(ended);
        },
      };
      tickers.add(ticker);
      return ticker;
    },
    ticked: (name) =>
      ticks.seen.filter(({ schedule }) => schedule === name).map(({ tick }) => seconds(tick)),
    skipped: (name) =>
      skips.seen
        .filter(({ schedule }) => schedule === name)
        .map(({ tick, why }) => [seconds(tick), why]),
    specs: () => {
      const counts = new Map<string, number>();
      for (const { events } of world.storage.log) {
        for (const { type, key } of events) {
          const parsed = parseTaskKey(key);
          if (type !== "put" || parsed?.part !== "spec") continue;
          counts.set(parsed.id, (counts.get(parsed.id) ?? 0) + 1);
        }
      }
      return counts;
    },
    idAt: (schedule, after) => `${schedule}@${new Date(startedAt + after * 1_000).toISOString()}`,
    [Symbol.asyncDispose]: async () => {
      for (const ticker of [...tickers]) await ticker.stop();
      ticks[Symbol.dispose]();
      skips[Symbol.dispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** From 1 to `count`, times `step`. */
export function steps(count: number, step = 1): number[] {
  return Array.from({ length: count }, (_, index) => (index + 1) * step);
}
