/**
 * One process of a simulated world, from birth to death and to the next birth.
 *
 * It is an app on a store of its own, put together as `openStore` does it, and whatever its role
 * asks for. It starts like a program under a supervisor: what fails is tried again. When it is
 * killed nothing of it ever runs again, not even what would clean up; what it sent may arrive.
 */
import { type App, createApp } from "../../src/app.ts";
import type { Clock } from "../../src/base/clock.ts";
import { createGroupCommitStore } from "../../src/store/group-commit-store.ts";
import { createResolvingStore } from "../../src/store/resolving-store.ts";
import type { WorkerOptions } from "../../src/worker/worker-options.ts";
import { chanceFor } from "../engine/chance.ts";
import { lifeClock } from "../engine/life-clock.ts";
import type { Network, Process } from "../network/network.ts";
import { SimStore } from "../network/sim-store.ts";
import { defineTasks } from "./handlers.ts";
import type { Ledger } from "./ledger.ts";

/** What a process is for. Every process may enqueue. */
export type Role =
  | { readonly kind: "producer" }
  | { readonly kind: "worker"; readonly options: WorkerOptions; readonly beat: boolean }
  | { readonly kind: "beat" };

/** What all processes share. */
export interface ActorWorld {
  readonly seed: number;
  readonly network: Network;
  readonly ledger: Ledger;
}

const RETRY_MS = 500;

/** See the essay above. */
export class Actor {
  readonly name: string;
  readonly role: Role;
  readonly #with: ActorWorld;
  #lives = 0;
  #skewMs = 0;
  #process: Process | undefined;
  #clock: Clock | undefined;
  #app: App | undefined;
  #stopping: Promise<void> | undefined;
  #retired = false;

  constructor(world: ActorWorld, name: string, role: Role) {
    this.#with = world;
    this.name = name;
    this.role = role;
  }

  /** What its program uses; `undefined` while it is not up. */
  get app(): App | undefined {
    return this.#stopping === undefined && this.#process?.dead === false ? this.#app : undefined;
  }

  get clock(): Clock | undefined {
    return this.#clock;
  }

  get process(): Process | undefined {
    return this.#process;
  }

  get alive(): boolean {
    return this.#process?.dead === false;
  }

  /** Starts a new life, unless it lives or has retired. */
  start(): void {
    if (this.alive || this.#retired) return;
    const { network, seed } = this.#with;
    this.#lives += 1;
    const process: Process = {
      name: `${this.name}.${this.#lives}`,
      dead: false,
      pausedUntil: 0,
      skewMs: this.#skewMs,
      mutedUntil: 0,
      deafUntil: 0,
      watches: new Set(),
    };
    const random = chanceFor(seed, process.name);
    const clock = lifeClock(network.scheduler, process, chanceFor(seed, `${process.name} timers`));
    this.#process = process;
    this.#clock = clock;
    this.#app = undefined;
    this.#stopping = undefined;
    const store = createGroupCommitStore(
      createResolvingStore(new SimStore(network, process), { clock, random }),
      { clock },
    );
    const tasks = defineTasks(process.name, clock, this.#with.ledger);
    const { role } = this;
    const beat = role.kind === "worker" ? role.beat && BEAT : BEAT;
    void this.#run(async () => {
      this.#app = await createApp({ store, tasks, clock, random, beat });
      if (role.kind === "worker") await this.#app.createWorker(role.options).start();
      if (role.kind === "beat") this.#app.createBeat().start();
    }, clock);
    network.scheduler.note(`${process.name} is born`);
  }

  /** Ends this life at once. */
  kill(): void {
    const process = this.#process;
    if (!process || process.dead) return;
    this.#with.network.scheduler.note(`${process.name} is killed`);
    process.dead = true;
    for (const watch of [...process.watches]) watch.forget();
  }

  /** Ends this life as a program does that is told to. Resolves when it has ended. */
  async stop(): Promise<void> {
    const process = this.#process;
    const app = this.#app;
    if (!process || process.dead || this.#stopping) return this.#stopping;
    if (!app) {
      this.kill();
      return;
    }
    this.#with.network.scheduler.note(`${process.name} stops`);
    this.#stopping = app.close().then(() => app.store.close());
    await this.#stopping;
    process.dead = true;
    this.#with.network.scheduler.note(`${process.name} has stopped`);
  }

  /** Stops, and is never started again. */
  retire(): Promise<void> {
    this.#retired = true;
    return this.stop();
  }

  /** Puts the wall clock forward or back, in this life and the next ones. */
  setSkew(ms: number): void {
    this.#skewMs = ms;
    if (this.#process) this.#process.skewMs = ms;
  }

  async #run(begin: () => Promise<void>, clock: Clock): Promise<void> {
    for (;;) {
      try {
        await begin();
        return;
      } catch (error) {
        if (this.#stopping) return;
        this.#with.network.scheduler.note(`${this.name} cannot start: ${error}`);
        await this.#app?.close();
      }
      await clock.sleep(RETRY_MS);
    }
  }
}

const BEAT = { leaseTtl: "3s", compaction: "1m" } as const;
