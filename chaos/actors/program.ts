/**
 * The program of a process in a run: `program.ts <setup as JSON>`. It starts like a program under a
 * supervisor, trying again what fails, says `ready`, and obeys what it is told.
 */
import { subscribe } from "node:diagnostics_channel";
import { join } from "node:path";
import { chanceFor } from "../../sim/engine/chance.ts";
import { type App, createApp } from "../../src/app.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { isEtaskError } from "../../src/base/errors.ts";
import type { Events } from "../../src/base/events.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import type { WorkerOptions } from "../../src/worker/worker-options.ts";
import { defineTasks } from "./handlers.ts";
import { Journal } from "./journal.ts";
import { Producer } from "./producer.ts";
import { StoreClient } from "./store-client.ts";

/** What a process is for. */
export type Role =
  | { readonly kind: "producer" }
  | { readonly kind: "worker"; readonly options: WorkerOptions; readonly beat: boolean }
  | { readonly kind: "beat" }
  | { readonly kind: "store-client" };

/** What the program is given. */
export interface Setup {
  /** The process and its life, as in `worker0.2`. */
  readonly name: string;
  readonly role: Role;
  readonly store: string;
  /** Where its journals go. */
  readonly directory: string;
  readonly seed: number;
  readonly firstOrder: number;
  /** How far its wall clock is from the machine's. */
  readonly skewMs: number;
}

/** What the program is told. */
export type Command =
  | { readonly kind: "skew"; readonly ms: number }
  /** Begin nothing any more; answered with `quiet`. */
  | { readonly kind: "quiet" }
  /** Everything has ended; answered with `settled` when all who wait for an end know. */
  | { readonly kind: "settle" }
  | { readonly kind: "stop" };

/** What the program says. */
export type Notice = "ready" | "quiet" | "settled";

const EVENTS: readonly (keyof Events)[] = [
  "etask:worker:started",
  "etask:worker:lease-lost",
  "etask:task:stale",
  "etask:task:rescued",
  "etask:task:zombie",
  "etask:task:finished",
  "etask:store:resolving",
  "etask:store:reconnecting",
  "etask:watch:relisted",
  "etask:record:malformed",
  "etask:beat:elected",
  "etask:beat:resigned",
  "etask:schedule:ticked",
];
const BEAT = { leaseTtl: "3s", compaction: false } as const;
const RETRY_MS = 500;

interface Quietable {
  quiet(): Promise<void>;
  settled?(): Promise<void>;
  over?(): Promise<void>;
}

const setup = JSON.parse(process.argv[2] ?? "{}") as Setup;
let skewMs = setup.skewMs;
const clock: Clock = { ...systemClock, now: () => systemClock.now() + skewMs };
const pathOf = (what: string) => join(setup.directory, `${setup.name}.${what}.jsonl`);
const journal = new Journal(pathOf("journal"), { synced: false });
const effects = new Journal(pathOf("effects"), { synced: true });
const active: { app?: App; store?: Store; actor?: Quietable } = {};

noteEvents();
process.on("message", (command: Command) => void obey(command));
// Whoever started it is gone.
process.on("disconnect", () => process.exit(1));
await start();
say("ready");

function say(notice: Notice): void {
  process.send?.(notice);
}

function broken(what: string, error: unknown): void {
  const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
  journal.write({ kind: "broken", at: clock.monotonic(), what: `${what}: ${told}` });
}

/** Whatever a loop survives must be a failure of the store, and not of the program. */
function noteEvents(): void {
  for (const name of EVENTS) {
    subscribe(name, (what) => {
      journal.write({ kind: "event", at: clock.monotonic(), name, what: what as object });
    });
  }
  subscribe("etask:loop:failed", (event) => {
    const { loop, error } = event as Events["etask:loop:failed"];
    if (!isEtaskError(error)) broken(loop, error);
  });
  process.on("unhandledRejection", (error) => broken("nobody handled", error));
  process.on("uncaughtException", (error) => {
    broken("nobody caught", error);
    process.exit(1);
  });
}

async function start(): Promise<void> {
  for (;;) {
    try {
      await begin();
      return;
    } catch (error) {
      if (!isEtaskError(error)) broken("it cannot start", error);
      await active.app?.close().catch(() => {});
      await active.store?.close().catch(() => {});
    }
    await clock.sleep(RETRY_MS);
  }
}

async function begin(): Promise<void> {
  const { role, name, seed, firstOrder } = setup;
  const chance = chanceFor(seed, name);
  const store = await openStore(setup.store);
  active.store = store;
  if (role.kind === "store-client") {
    const client = new StoreClient({ store, clock, chance, process: name, journal });
    client.start();
    active.actor = client;
    return;
  }
  const tasks = defineTasks(name, clock, effects);
  const beat = role.kind === "worker" ? role.beat && BEAT : BEAT;
  const app = await createApp({ store, tasks, clock, beat });
  active.app = app;
  if (role.kind === "worker") await app.createWorker(role.options).start();
  if (role.kind === "beat") app.createBeat().start();
  if (role.kind !== "producer") return;
  const world = { app, clock, chance, process: name, journal, effects, firstOrder };
  const producer = new Producer(world);
  producer.start();
  active.actor = producer;
}

async function obey(command: Command): Promise<void> {
  switch (command.kind) {
    case "skew":
      skewMs = command.ms;
      return;
    case "quiet":
      await active.actor?.quiet();
      return say("quiet");
    case "settle":
      await active.actor?.settled?.();
      return say("settled");
    case "stop":
      await active.actor?.quiet();
      await active.app?.close();
      await active.actor?.over?.();
      await active.store?.close();
      process.exit(0);
  }
}
