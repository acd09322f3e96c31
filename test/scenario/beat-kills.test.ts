import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { listAll } from "../../src/coordination/follower.ts";
import { type App, createApp } from "../../src/index.ts";
import { parseTaskKey, tasksRange } from "../../src/task/keyspace.ts";
import { scenarioStores } from "./stores.ts";
import { tasks } from "./tasks.ts";
import { WorkerChild } from "./worker-child.ts";

const NAME = "pulse";
const TTL_MS = 2_000;
const CANDIDATES = 3;
const KILLS: Readonly<Record<string, number>> = { embedded: 50, "etcd 3.5": 10 };

/** Processes of which one leads the Beat. */
class Candidates implements AsyncDisposable {
  readonly #url: string;
  readonly #starting = new Set<Promise<undefined>>();
  readonly #children = new Set<WorkerChild>();

  constructor(url: string) {
    this.#url = url;
  }

  /** Starts one more. */
  async add(): Promise<void> {
    const options = { leaseTtl: TTL_MS };
    this.#children.add(await WorkerChild.start(this.#url, options, { beat: { leaseTtl: TTL_MS } }));
  }

  /** Starts one more while the test goes on. */
  addMeanwhile(): void {
    const starting = this.add().then(() => {
      this.#starting.delete(starting);
      return undefined;
    });
    this.#starting.add(starting);
  }

  /** Waits until one leads; one that is being started may be it. */
  async leader(): Promise<WorkerChild> {
    for (;;) {
      const leading = [...this.#children].map(async (child) => {
        const resigned = child.all("etask:beat:resigned").length;
        await child.seen("etask:beat:elected", resigned + 1);
        return child;
      });
      const found = await Promise.race([...leading, ...this.#starting]);
      if (found) return found;
    }
  }

  /** Ends a process without any warning. */
  async kill(child: WorkerChild): Promise<void> {
    this.#children.delete(child);
    child.signal("SIGKILL");
    await child.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#starting);
    await Promise.all([...this.#children].map((child) => child[Symbol.asyncDispose]()));
  }
}

/** The specs of all tasks that the schedule made, in the order of their instants. */
async function specs(app: App) {
  const { entries } = await listAll(app.store, tasksRange(`${NAME}@`));
  return entries.flatMap(({ key, createRevision, version }) => {
    const parsed = parseTaskKey(key);
    return parsed?.part === "spec" ? [{ id: parsed.id, createRevision, version }] : [];
  });
}

const stores = scenarioStores.filter(({ name }) => KILLS[name] !== undefined);

describe.each(stores)("$name", ({ name, open }) => {
  const kills = KILLS[name] ?? 0;

  test(`row 1: a Beat killed ${kills} times at a random moment fires every tick exactly once`, async () => {
    await using store = await open();
    await using app = await createApp({ store: store.url, tasks });
    await using candidates = new Candidates(store.url);
    for (let count = 0; count < CANDIDATES; count += 1) await candidates.add();
    // Nobody takes from that queue: what counts is what was made.
    const pulse = { task: "pulse", queue: "pulse", every: "1s", overlap: "allow" } as const;
    const made = await app.schedules.create(NAME, { ...pulse, catchUp: "1m" });

    for (let count = 0; count < kills; count += 1) {
      const leader = await candidates.leader();
      await sleep(Math.random() * 1_100);
      await candidates.kill(leader);
      candidates.addMeanwhile();
    }
    const killedAt = Date.now();
    await candidates.leader();
    await expect
      .poll(async () => (await app.schedules.get(NAME))?.nextRun?.getTime(), { timeout: 30_000 })
      .toBeGreaterThan(killedAt + 5_000);
    const paused = await app.schedules.pause(NAME);

    const first = made.nextRun?.getTime() ?? 0;
    const last = paused.lastRun?.getTime() ?? 0;
    const ids: string[] = [];
    for (let tick = first; tick <= last; tick += 1_000) {
      ids.push(`${NAME}@${new Date(tick).toISOString()}`);
    }
    const found = await specs(app);
    expect(found.map(({ id }) => id)).toEqual(ids);
    expect(ids.length).toBeGreaterThan(kills);
    expect(found.every(({ version }) => version === 1)).toBe(true);
    const revisions = found.map(({ createRevision }) => createRevision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(paused).toMatchObject({ fired: ids.length, skipped: 0 });
  }, 420_000);
});
