/** What users do with a queue, as data, and how a process does it. */
import type { App } from "../../src/app.ts";
import type { Clock } from "../../src/base/clock.ts";
import { isEtaskError } from "../../src/base/errors.ts";
import type { QueueOptions } from "../../src/broker/queue-settings.ts";
import type { Revision } from "../../src/store/store.ts";
import { StoreError } from "../../src/store/store-errors.ts";
import type { EditOptions } from "../../src/task/control.ts";
import type { DelayOptions } from "../../src/task/enqueue-options.ts";
import type { Chance } from "../engine/chance.ts";
import { type Input, KINDS, MOVES } from "./handlers.ts";
import type { Ledger, Order, Sighting } from "./ledger.ts";

/** Something that a user does. */
export type Act =
  | {
      readonly kind: "enqueue";
      readonly name: string;
      readonly input: Input;
      readonly options: DelayOptions;
      /** Waits for the end. */
      readonly wait: boolean;
    }
  | { readonly kind: "cancel"; readonly id: string; readonly graceMs: number }
  | { readonly kind: "update"; readonly id: string; readonly change: EditOptions }
  | { readonly kind: "retry"; readonly id: string }
  | { readonly kind: "retry many"; readonly queue: string }
  | { readonly kind: "remove"; readonly id: string }
  | { readonly kind: "take"; readonly id: string; readonly end: "succeed" | "fail" | "release" }
  | { readonly kind: "pause" | "resume" | "purge"; readonly queue: string }
  | { readonly kind: "configure"; readonly queue: string; readonly options: QueueOptions }
  | {
      readonly kind: "schedule";
      readonly name: string;
      readonly everyMs: number;
      readonly n: number;
    }
  | { readonly kind: "unschedule" | "trigger"; readonly name: string }
  | {
      readonly kind: "wait";
      readonly id: string;
      /** A revision at which there was such a task, when that is known. */
      readonly since?: Revision;
    }
  | { readonly kind: "watch"; readonly ms: number };

/** What acts so far have used; acts after them do something about it. */
export interface Uses {
  readonly queues: readonly string[];
  orders: number;
  readonly ids: string[];
  readonly schedules: string[];
}

/** Makes a spec too large to be copied into an index. */
const PADDING = "x".repeat(5_000);
const WAIT_MS_MAX = 900_000;

/** Picks the next act. */
export function planAct(chance: Chance, uses: Uses): Act {
  const id = idIn(chance, uses);
  const queue = chance.pick(uses.queues);
  const acts: (readonly [weight: number, act: () => Act])[] = [
    [22, () => planEnqueue(chance, uses)],
    [3, () => ({ kind: "cancel", id, graceMs: chance.below(4_000) })],
    [2, () => ({ kind: "update", id, change: planChange(chance, queue) })],
    [3, () => ({ kind: "retry", id })],
    [0.5, () => ({ kind: "retry many", queue })],
    [0.7, () => ({ kind: "remove", id })],
    [1, () => ({ kind: "take", id, end: chance.pick(["succeed", "fail", "release"]) })],
    [0.7, () => ({ kind: "pause", queue })],
    [1, () => ({ kind: "resume", queue })],
    [0.2, () => ({ kind: "purge", queue })],
    [0.8, () => ({ kind: "configure", queue, options: planSettings(chance) })],
    [0.5, () => planSchedule(chance, uses)],
    [0.3, () => ({ kind: chance.pick(["unschedule", "trigger"]), name: scheduleIn(chance, uses) })],
    [4, () => ({ kind: "wait", id })],
    [0.7, () => ({ kind: "watch", ms: chance.between(1_000, 12_000) })],
  ];
  const total = acts.reduce((sum, [weight]) => sum + weight, 0);
  let left = chance.between(0, total);
  for (const [weight, act] of acts) {
    left -= weight;
    if (left < 0) return act();
  }
  return planEnqueue(chance, uses);
}

/** One of the tasks, the last ones more often. */
function idIn(chance: Chance, { ids }: Uses): string {
  if (ids.length === 0) return "none";
  return chance.pick(chance.happens(0.5) ? ids.slice(-4) : ids);
}

function planEnqueue(chance: Chance, uses: Uses): Act {
  uses.orders += 1;
  const n = uses.orders;
  const moves = Array.from({ length: 1 + chance.below(3) }, () => chance.pick(MOVES));
  const id = chance.happens(0.7) ? `t${chance.happens(0.2) ? chance.below(n) : n}` : undefined;
  if (id !== undefined) uses.ids.push(id);
  const claim = chance.happens(0.25) ? planClaim(chance, id === undefined) : {};
  const options: DelayOptions = {
    queue: chance.pick(uses.queues),
    priority: chance.below(10),
    ...(id === undefined ? {} : { id }),
    ...("debounce" in claim || chance.happens(0.75) ? {} : { in: chance.below(6_000) }),
    ...("debounce" in claim || chance.happens(0.85)
      ? {}
      : { expiresIn: 8_000 + chance.below(8_000) }),
    ...(chance.happens(0.9) ? {} : { totalTimeout: 7_000 + chance.below(10_000) }),
    retention: chance.pick([5_000, 20_000]),
    ...claim,
  };
  return {
    kind: "enqueue",
    name: chance.pick(KINDS),
    input: { n, moves, ...(chance.happens(0.2) ? { padding: PADDING } : {}) },
    options,
    wait: chance.happens(0.4),
  };
}

function planClaim(chance: Chance, mayDebounce: boolean): DelayOptions {
  const key = chance.pick(["k1", "k2"]);
  if (!mayDebounce) return { unique: key };
  return chance.pick<DelayOptions>([
    { unique: key },
    { unique: key },
    { throttle: { key, per: 5_000 } },
    { debounce: { key, wait: 1_000, maxWait: 4_000 } },
  ]);
}

function planChange(chance: Chance, queue: string): EditOptions {
  return chance.pick<EditOptions>([
    { priority: chance.below(10) },
    { queue },
    { in: chance.below(5_000) },
    { queue, priority: chance.below(10) },
  ]);
}

function planSettings(chance: Chance): QueueOptions {
  return chance.pick<QueueOptions>([
    { order: "strict" },
    { order: null },
    { concurrency: 1 + chance.below(3) },
    { concurrency: null },
    { keep: { count: chance.below(10) } },
    { keep: null },
  ]);
}

function planSchedule(chance: Chance, uses: Uses): Act {
  const name = `s${chance.below(2)}`;
  uses.schedules.push(name);
  uses.orders += 1;
  return { kind: "schedule", name, everyMs: chance.pick([1_000, 3_000, 7_000]), n: uses.orders };
}

function scheduleIn(chance: Chance, { schedules }: Uses): string {
  return schedules.length > 0 ? chance.pick(schedules) : "none";
}

/** What doing something needs. */
export interface Doer {
  readonly app: App;
  readonly clock: Clock;
  readonly process: string;
  readonly ledger: Ledger;
  note(what: string): void;
  /** Begins another act beside this one. */
  also(act: Act): void;
}

/** Does an act; what the queue refuses, or the store does not answer, is part of the game. */
export async function perform(act: Act, doer: Doer): Promise<void> {
  try {
    doer.note(`does ${JSON.stringify(act).replace(PADDING, "…")}`);
    await performs(act, doer);
  } catch (error) {
    doer.note(`${act.kind}: ${error}`);
    if (!isEtaskError(error)) throw error;
  }
}

async function performs(act: Act, doer: Doer): Promise<void> {
  const { app, ledger } = doer;
  switch (act.kind) {
    case "enqueue":
      return enqueue(act, doer);
    case "cancel":
      return void (await app.broker.cancel(act.id, { grace: act.graceMs }));
    case "update":
      ledger.moved.add(act.id);
      return void (await app.broker.update(act.id, act.change));
    case "retry":
      return void (await app.broker.retry(act.id));
    case "retry many":
      return void (await app.broker.retryMany({ queue: act.queue, limit: 5 }));
    case "remove":
      ledger.removed.add(act.id);
      return void (await app.broker.remove(act.id));
    case "take":
      return takeByHand(act, doer);
    case "pause":
      return void (await app.queues.pause(act.queue));
    case "resume":
      return void (await app.queues.resume(act.queue));
    case "purge":
      ledger.purged.add(act.queue);
      return purge(act.queue, app);
    case "configure":
      return void (await app.queues.configure(act.queue, act.options));
    case "schedule":
      return schedule(act, doer);
    case "unschedule":
      return void (await app.schedules.remove(act.name));
    case "trigger":
      return void (await app.schedules.trigger(act.name));
    case "wait":
      return wait(act, doer);
    case "watch":
      return watch(act.ms, doer);
  }
}

async function enqueue(act: Act & { kind: "enqueue" }, doer: Doer): Promise<void> {
  const { app, ledger } = doer;
  const { input, options } = act;
  const sentAt = doer.clock.monotonic();
  const order: Order = { n: input.n, sentAt, answer: { kind: "waiting" } };
  ledger.orders.push(order);
  try {
    const handle = await app.enqueue(act.name, input, options);
    order.answer = { kind: handle.created ? "created" : "joined", id: handle.id };
    doer.note(`order ${input.n} ${order.answer.kind} ${handle.id}`);
    if (act.wait) doer.also({ kind: "wait", id: handle.id, since: handle.revision });
  } catch (error) {
    order.answer = { kind: isCertain(error) ? "refused" : "unknown" };
    throw error;
  }
}

/**
 * Whether a failure says that nothing was enqueued. Admission may have been closed when a copy of a
 * lost request was judged, and open when the first copy arrives after all.
 */
function isCertain(error: unknown): boolean {
  if (!(error instanceof StoreError)) return true;
  return error.applied === "no" && error.code !== "STORE_NEARLY_FULL";
}

async function wait({ id, since }: Act & { kind: "wait" }, doer: Doer): Promise<void> {
  const { app, clock, process, ledger } = doer;
  const handle =
    since === undefined
      ? app.handle(id)
      : app.backend.handle({ id, revision: since, created: true });
  const waiting = {
    id,
    process,
    from: clock.monotonic(),
    exists: since !== undefined,
    outcome: undefined as string | undefined,
  };
  ledger.waits.push(waiting);
  try {
    const { state } = await handle.settle({ timeout: WAIT_MS_MAX });
    waiting.outcome = state;
  } catch (error) {
    waiting.outcome = isEtaskError(error) ? error.code : String(error);
    throw error;
  }
}

async function purge(queue: string, { queues }: App): Promise<void> {
  await queues.purge(queue, { confirm: queue, includeScheduled: true });
}

async function watch(ms: number, { app, clock, process, ledger }: Doer): Promise<void> {
  const { revision: after } = await app.backend.list({ limit: 1 });
  const seen: Sighting["seen"] = [];
  ledger.sightings.push({ process, from: after, seen });
  const over = new AbortController();
  clock.after(ms, () => over.abort());
  for await (const change of app.backend.watch({ after, signal: over.signal })) {
    const { revision, id, kind, task } = change;
    seen.push({ revision, id, kind, state: task?.state, compacted: ledger.isCompacted(revision) });
  }
}

async function takeByHand({ id, end }: Act & { kind: "take" }, doer: Doer): Promise<void> {
  const { app, clock, ledger, process } = doer;
  const taken = await app.broker.dequeue(id);
  if (!taken) return;
  const { attempt, fence } = taken;
  const run = ledger.begin({ id, attempt, fence, process, startedAt: clock.monotonic() });
  await clock.sleep(500);
  const origin = { fence, attempt };
  run.result = JSON.stringify(origin);
  if (end === "succeed") await taken.succeed(origin);
  else if (end === "fail") await taken.fail(new Error(`fence=${fence} attempt=${attempt}`));
  else await taken.release();
  run.over = true;
}

async function schedule(act: Act & { kind: "schedule" }, { app }: Doer): Promise<void> {
  const input: Input = { n: act.n, moves: ["succeed"] };
  await app.schedules.upsert(act.name, {
    task: "plain",
    input,
    every: act.everyMs,
    queue: "a",
    retention: 20_000,
    catchUp: "10m",
    overlap: "allow",
  });
}
