import { type App, type AppOptions, createApp } from "../../../src/app.ts";
import type { Random } from "../../../src/base/random.ts";
import { createMemoryStorage, type MemoryStorage } from "../../../src/store/memory/index.ts";
import type { Store } from "../../../src/store/store.ts";
import type { RegisteredTask } from "../../../src/task/task.ts";
import { createSeededRandom } from "../../../src/testing/seeded-random.ts";
import { createVirtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";

const DRIVE_MS_MAX = 3_600_000;

/** Apps that share one memory storage, on a clock that stands until it is moved. */
export interface World extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly storage: MemoryStorage;
  /** A client that belongs to no app. */
  readonly store: Store;
  /** One more app, closed with the world. `decorate` goes between it and the storage. */
  app(
    tasks?: readonly RegisteredTask[],
    options?: Partial<AppOptions> & { decorate?: (store: Store) => Store },
  ): Promise<App>;
  /** Moves the time until the promise is settled. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** Moves the time until `holds` does. */
  until(holds: () => boolean | Promise<boolean>): Promise<void>;
}

/** Creates a {@link World}; what is left to chance follows from `seed`. */
export function createWorld(seed = 1): World {
  const clock = createVirtualClock();
  const random = createSeededRandom(seed);
  const storage = createMemoryStorage({ clock });
  const apps: App[] = [];
  const until = async (holds: () => boolean | Promise<boolean>) => {
    await clock.settle();
    for (let ms = 0; !(await holds()); ) {
      const step = Math.max(1, Math.min(clock.untilNextTimer() ?? 100, 1_000));
      ms += step;
      if (ms > DRIVE_MS_MAX) throw new Error("It did not come to pass within an hour.");
      await clock.advance(step);
    }
  };
  const drive = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false;
    const note = () => {
      settled = true;
    };
    promise.then(note, note);
    await until(() => settled);
    return promise;
  };
  return {
    clock,
    random,
    storage,
    store: storage.open(),
    app: async (tasks = [], { decorate = (store: Store) => store, ...options } = {}) => {
      const store = decorate(storage.open());
      const app = await drive(createApp({ store, tasks, clock, random, ...options }));
      apps.push(app);
      return app;
    },
    drive,
    until,
    [Symbol.asyncDispose]: async () => {
      await drive(Promise.all(apps.map((app) => app.close())));
    },
  };
}
