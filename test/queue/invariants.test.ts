import { expect, test } from "vitest";
import { HistoryCheck } from "../../sim/oracle/history-check.ts";
import type { App } from "../../src/app.ts";
import { createGroupCommitStore } from "../../src/store/group-commit-store.ts";
import { createMemoryStorage } from "../../src/store/memory/index.ts";
import { del, put } from "../../src/store/part.ts";
import { createResolvingStore } from "../../src/store/resolving-store.ts";
import { StoreUnavailableError } from "../../src/store/store-errors.ts";
import { decodeState } from "../../src/task/decode.ts";
import { handKey, readyKey, WORKERS_RANGE, workerOfKey } from "../../src/task/keyspace.ts";
import { encodeRecord } from "../../src/task/records.ts";
import { isFinal } from "../../src/task/state.ts";
import { defineTask } from "../../src/task/task.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { dropSessions } from "./support/sessions.ts";
import { TroubledStore } from "./support/troubled-store.ts";
import { createWorld, type World } from "./support/world.ts";

const STEPS = 120;
const WORKERS_MAX = 4;
const QUEUES = ["a", "b"];

/** A handler that succeeds, fails, dawdles, is deaf or not, as chance has it. */
function defineChancy({ clock, random }: World) {
  return defineTask({
    name: "chancy",
    retry: { attempts: 3, delay: "1s", max: "5s" },
    run: async (_n: number, ctx) => {
      const { attempt, fence } = ctx;
      const chance = random.next();
      if (chance < 0.3) await clock.sleep(random.next() * 3_000);
      if (chance > 0.8) await clock.sleep(random.next() * 20_000, ctx.signal);
      ctx.progress(random.next() * 100);
      if (random.next() < 0.25) throw new Error("by chance");
      return { attempt, fence };
    },
  });
}

async function allEnded(backend: App["backend"]): Promise<boolean> {
  const { tasks } = await backend.list({ limit: 1_000 });
  return tasks.every(({ state }) => isFinal(state));
}

/** A system under chaos: workers come and go, the store fails, tasks are moved and removed. */
class Chaos {
  readonly #world: World;
  readonly #apps: { app: App; store: TroubledStore; worker: Worker | undefined }[] = [];
  readonly ids: string[] = [];
  readonly removed = new Set<string>();
  #count = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async begin(): Promise<void> {
    const { clock, random } = this.#world;
    for (let index = 0; index < WORKERS_MAX; index += 1) {
      const stores: TroubledStore[] = [];
      const app = await this.#world.app([defineChancy(this.#world)], {
        decorate: (inner) => {
          const store = new TroubledStore(inner);
          stores.push(store);
          return createGroupCommitStore(createResolvingStore(store, { clock, random }), { clock });
        },
      });
      this.#apps.push({ app, store: stores[0] as TroubledStore, worker: undefined });
    }
  }

  async step(): Promise<void> {
    const { clock, random } = this.#world;
    const one = this.#apps[Math.floor(random.next() * this.#apps.length)];
    if (!one) return;
    const { app, store } = one;
    const acts: (() => unknown)[] = [
      () => this.#enqueue(app),
      () => this.#enqueue(app),
      () => this.#toggle(one),
      () => this.#drop(),
      () => app.broker.update(this.#someId(), { priority: this.#below(10) }),
      () => app.broker.update(this.#someId(), { queue: QUEUES[this.#below(2)] ?? "a" }),
      () => this.#remove(app),
      () => this.#byHand(app),
      () => app.broker.cancel(this.#someId(), { grace: this.#below(5_000) }),
      () => app.broker.cancel(this.#someId()),
      () => app.broker.reschedule(this.#someId(), { in: this.#below(5_000) }),
      () => app.broker.edit(this.#someId(), this.#below(9)),
      () => app.broker.retry(this.#someId(), { queue: QUEUES[this.#below(2)] ?? "a" }),
      () => app.broker.retryMany({ queue: QUEUES[this.#below(2)] ?? "a", limit: 5 }),
      () => this.#control(app),
      () => this.#control(app),
      () => {
        store.away = !store.away;
      },
      () => {
        store.trouble = store.trouble ? undefined : () => this.#trouble();
      },
    ];
    // Nobody waits for it: what is refused, or fails because the store is away, is part of the
    // game.
    Promise.resolve(acts[this.#below(acts.length)]?.()).catch(() => {});
    await clock.advance(random.next() < 0.5 ? this.#below(50) : this.#below(4_000));
  }

  /** Peace: every store is well, every app has a worker, and time goes on until all has ended. */
  async end(): Promise<void> {
    for (const one of this.#apps) {
      one.store.away = false;
      one.store.trouble = undefined;
      if (!one.worker) await this.#world.drive(this.#toggle(one));
    }
    const { backend, queues } = await this.#world.app();
    for (const queue of QUEUES) await queues.resume(queue);
    for (let seconds = 0; !(await allEnded(backend)); seconds += 1) {
      if (seconds > 300) throw new Error("Not all tasks ended within 5 minutes of peace.");
      await this.#world.clock.advance(1_000);
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#world.random.next() * limit);
  }

  #someId(): string {
    return this.ids[this.#below(this.ids.length)] ?? "none";
  }

  async #enqueue(app: App): Promise<void> {
    const many = Array.from({ length: 1 + this.#below(10) }, () => `t${this.#count++}`);
    this.ids.push(...many);
    await Promise.all(
      many.map((id) => {
        const queue = QUEUES[this.#below(2)] ?? "a";
        const delay = this.#below(4) === 0 ? { in: this.#below(5_000) } : {};
        const unique = this.#below(3) === 0 ? { unique: `u${this.#below(4)}` } : {};
        const options = { id, queue, priority: this.#below(10), ...delay, ...unique };
        return app.enqueue("chancy", 1, options);
      }),
    );
  }

  async #toggle(one: { app: App; worker: Worker | undefined }): Promise<void> {
    const { worker } = one;
    if (worker) {
      one.worker = undefined;
      await worker.stop();
    } else {
      const concurrency = 1 + this.#below(8);
      const options = { concurrency, queues: QUEUES, leaseTtl: 5_000, drain: 2_000 };
      const made = one.app.createWorker(options);
      one.worker = made;
      await made.start().catch(() => {
        if (one.worker === made) one.worker = undefined;
      });
    }
  }

  async #drop(): Promise<void> {
    const { entries } = await this.#world.store.range(WORKERS_RANGE);
    const entry = entries[this.#below(entries.length)];
    if (entry) await dropSessions(this.#world, workerOfKey(entry.key));
  }

  async #remove(app: App): Promise<void> {
    const id = this.#someId();
    this.removed.add(id);
    await app.broker.remove(id);
  }

  async #control({ queues }: App): Promise<void> {
    const queue = QUEUES[this.#below(2)] ?? "a";
    const acts = [
      () => queues.pause(queue),
      () => queues.resume(queue),
      () => queues.resume(queue),
      () => queues.configure(queue, { order: this.#below(2) === 0 ? "strict" : null }),
      () => queues.configure(queue, { concurrency: this.#below(2) === 0 ? 2 : null }),
    ];
    await acts[this.#below(acts.length)]?.();
  }

  async #byHand(app: App): Promise<void> {
    const taken = await app.broker.dequeue(this.#someId());
    const { attempt, fence } = taken ?? {};
    const chance = this.#below(4);
    if (chance === 0) await taken?.succeed({ attempt, fence });
    else if (chance === 1) await taken?.fail(new Error("by hand"));
    else await taken?.release();
  }

  #trouble() {
    const { random } = this.#world;
    if (random.next() < 0.7) return undefined;
    const at = random.next() < 0.5 ? ("before" as const) : ("after" as const);
    const error = new StoreUnavailableError("gone", at === "before" ? "no" : "unknown");
    return { at, error };
  }
}

/** The result of every task that succeeded must be what the attempt that holds it returned. */
function wrongResults({ storage }: World): string[] {
  const fences = new Map<string, number>();
  const wrong: string[] = [];
  for (const { events } of storage.log) {
    for (const event of events) {
      if (!event.key.endsWith("#state") || event.type !== "put") continue;
      const state = decodeState(event.entry.value);
      if (state.state === "running") fences.set(event.key, event.modRevision);
      if (state.state !== "succeeded") continue;
      const { fence, attempt } = state.result as { fence: number; attempt: number };
      if (fence !== fences.get(event.key) || attempt !== state.attempt) wrong.push(event.key);
    }
  }
  return wrong;
}

test.each(Array.from({ length: 8 }, (_, index) => index + 1))(
  "invariants: hold at every revision of a chaotic run, and every task ends (seed %d)",
  async (seed) => {
    await using world = createWorld(seed);
    const chaos = new Chaos(world);
    await chaos.begin();
    for (let step = 0; step < STEPS; step += 1) await chaos.step();
    await chaos.end();
    const check = new HistoryCheck();
    check.run(world.storage.log);
    expect(check.findings).toEqual([]);
    expect(wrongResults(world)).toEqual([]);
    const states = chaos.ids.map((id) => check.tasks.get(id));
    expect(states.length).toBeGreaterThan(20);
    for (const [index, task] of states.entries()) {
      const ended = task?.state !== undefined && task.spec !== undefined;
      const id = chaos.ids[index] ?? "";
      // One that was never accepted, because the store was away, is none.
      expect(ended || !task?.spec || chaos.removed.has(id), id).toBe(true);
    }
    const seen = new Set(states.map((task) => task?.state?.state));
    expect(seen).toContain("succeeded");
  },
);

const SEQUENCE = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const spec = { id: "a", name: "t", queue: "q", priority: 5, createdAt: 1, sequence: SEQUENCE };
const ready = readyKey("a", { queue: "q", priority: 5, sequence: SEQUENCE });
const running = { state: "running", attempt: 1, worker: "w", hand: 1, at: 1 };
const putRecord = (key: string, record: object) => put(key, encodeRecord(record));
const enqueued = [putRecord("task/a#spec", spec), putRecord(ready, spec)];
const taken = [
  del(ready),
  putRecord("task/a#state", running),
  putRecord(handKey("w", 1), { queues: { q: ["a"] } }),
];
const alive = [putRecord("worker/w", {})];

test.each([
  ["a task that waits without a ready entry", [[putRecord("task/a#spec", spec)]]],
  ["a task that waits twice", [[...enqueued, putRecord(`${ready.slice(0, -1)}X`, spec)]]],
  ["a task taken by nobody alive", [enqueued, taken]],
  ["a task that runs and no hand lists it", [alive, enqueued, taken.slice(0, 2)]],
  ["a task that runs and waits", [alive, enqueued, taken.slice(1)]],
  ["a hand that goes too early", [alive, enqueued, taken, [del(handKey("w", 1))]]],
  [
    "an attempt that is not counted",
    [
      alive,
      enqueued,
      [...taken.slice(0, 1), putRecord("task/a#state", { ...running, attempt: 0 })],
    ],
  ],
  [
    "an end that is left again",
    [
      alive,
      enqueued,
      taken,
      [putRecord("task/a#state", { ...running, state: "failed" })],
      [putRecord("task/a#state", { ...running, attempt: 2 })],
    ],
  ],
])("invariants: the check notices %s", (_what, commits) => {
  const storage = createMemoryStorage();
  for (const writes of commits) storage.commit([{ guards: [], writes }]);
  const check = new HistoryCheck();
  check.run(storage.log);
  expect(check.findings).not.toEqual([]);
});

test("invariants: the check finds nothing in a life as it should be", () => {
  const storage = createMemoryStorage();
  for (const writes of [alive, enqueued, taken]) storage.commit([{ guards: [], writes }]);
  const check = new HistoryCheck();
  check.run(storage.log);
  expect(check.findings).toEqual([]);
});
