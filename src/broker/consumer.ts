/**
 * Takes tasks by hand: for consumers that are not a `Worker`.
 *
 * The first take opens a session like a worker's, with a key under `worker/`, so that everything
 * taken goes back to its queue when this process dies. When the session is lost, what was taken is
 * lost with it (`TakenTask.lost` aborts) and the next take opens a new one.
 */
import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import { InvalidOptionsError } from "../base/errors.ts";
import { createIdSource, type IdSource } from "../base/ids.ts";
import { requireJson } from "../base/json.ts";
import type { LoopWorld } from "../base/loop.ts";
import { openSession, type Session } from "../coordination/session.ts";
import { del } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { decodeReady } from "../task/decode.ts";
import { DEFAULT_RETENTION } from "../task/enqueue-options.ts";
import { AttemptStaleError, failureOf, TaskNotFoundError } from "../task/failure.ts";
import { handKey, readyKey, workerKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { clampPercent, progressPart, requireDetail } from "../task/progress.ts";
import type { QueueRecord } from "../task/queue-record.ts";
import { encodeRecord, type SpecRecord } from "../task/records.ts";
import { readOr, readTask } from "../task/task-reader.ts";
import { endAttempt, type FinishFacts, type Outcome } from "./finish.ts";
import { commitHeld, commitUntilKnown } from "./hold.ts";
import { readQueueSettings } from "./queue-settings.ts";
import { requirePayload } from "./spec.ts";
import { takeBatch } from "./take.ts";

const SESSION_TTL_MS = 15_000;
/** How long the store may be away at the end. */
const GIVE_BACK_MS = 5_000;
/** How often the settings of a queue may change under a take. */
const TAKE_TRIES_MAX = 20;

/** A task held by this process. Every write is refused once the task was taken away. */
export interface TakenTask {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly attempt: number;
  /** See `TaskContext.fence`. */
  readonly fence: number;
  /** Aborts when this process has lost the task. */
  readonly lost: AbortSignal;
  /** Records progress now. @throws AttemptStaleError (`ATTEMPT_STALE`) */
  progress(percent: number, detail?: unknown): Promise<void>;
  /** Ends the task with a result. @throws AttemptStaleError (`ATTEMPT_STALE`) */
  succeed(result?: unknown): Promise<void>;
  /** Ends the task as failed. @throws AttemptStaleError (`ATTEMPT_STALE`) */
  fail(error: unknown): Promise<void>;
  /** Gives it back to its old place, the attempt not counted. @throws AttemptStaleError */
  release(): Promise<void>;
}

/** See the essay above. */
export class Consumer {
  readonly #store: Store;
  readonly #world: LoopWorld;
  readonly #resultBytesMax: number;
  readonly #nextSequence: IdSource;
  readonly #closing = new AbortController();
  #session: Promise<{ session: Session; worker: string }> | undefined;
  /** What gives each task back that is held. */
  readonly #held = new Set<(signal: AbortSignal) => Promise<void>>();
  #batches = 0;

  constructor(store: Store, world: LoopWorld, resultBytesMax: number) {
    this.#store = store;
    this.#world = world;
    this.#resultBytesMax = resultBytesMax;
    this.#nextSequence = createIdSource(world.clock, world.random);
    // Each write that waits for the store listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Takes one waiting task; see `Broker.dequeue`. */
  async take(id: string): Promise<TakenTask | undefined> {
    for (let tries = 0; tries < TAKE_TRIES_MAX; tries += 1) {
      const taken = await this.#take(id);
      if (taken !== "again") return taken;
    }
    return undefined;
  }

  async #take(id: string): Promise<TakenTask | "again" | undefined> {
    const task = await readTask(this.#store, id);
    if (!task) throw new TaskNotFoundError(id);
    const position = positionOf(task.spec, task.state);
    const settings = await readQueueSettings(this.#store, position.queue);
    const entry = await this.#store.get(readyKey(id, position));
    const record = entry && readOr(entry, decodeReady);
    if (!record || settings.record.paused) return undefined;
    const { session, worker } = await this.#open();
    const batch = this.#batches++;
    const { key, modRevision, value } = entry;
    const taken = takeBatch(
      { worker, alive: session.alive(), settingsRevision: () => settings.revision },
      batch,
      [{ key, modRevision, record, position, bytes: value.byteLength }],
      this.#world.clock.now(),
    );
    // A take that landed unheard would be held by nobody for as long as this session lives.
    const results = await commitUntilKnown(this.#store, taken.parts, this.#world, session.lost);
    const [attempt] = taken.attempts(results);
    if (attempt) return this.#takenTask(attempt, task.spec, settings.record, session.lost);
    // What stays behind lists too much, which is harmless.
    this.#store.commit([{ guards: [], writes: [del(handKey(worker, batch))] }]).catch(() => {});
    return taken.heldBack(results).length > 0 ? "again" : undefined;
  }

  /**
   * Gives back what is still held, the attempt not counted, and ends the session. What cannot be
   * given back in time goes back by rescue.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    const open = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    const late = new AbortController();
    const cancel = this.#world.clock.after(GIVE_BACK_MS, () => late.abort());
    await Promise.allSettled([...this.#held].map((giveBack) => giveBack(late.signal)));
    cancel();
    await open?.session.close();
  }

  async #open(): Promise<{ session: Session; worker: string }> {
    if (this.#closing.signal.aborted) throw new InvalidOptionsError("The app is closed.");
    const pending = this.#session;
    const current = pending && (await pending.catch(() => undefined));
    if (current && !current.session.lost.aborted) return current;
    // Somebody else may have begun a new one during the wait.
    if (this.#session === pending) this.#session = this.#begin();
    return this.#session as Promise<{ session: Session; worker: string }>;
  }

  async #begin(): Promise<{ session: Session; worker: string }> {
    const worker = this.#world.random.hex(8);
    const value = encodeRecord({
      host: hostname(),
      pid: process.pid,
      queues: [],
      kinds: [],
      concurrency: 0,
      startedAt: this.#world.clock.now(),
      version: "consumer",
    });
    const key = workerKey(worker);
    const session = await openSession(this.#store, this.#world, {
      key,
      value,
      ttlMs: SESSION_TTL_MS,
    });
    return { session, worker };
  }

  #takenTask(
    attempt: Attempt,
    spec: SpecRecord,
    settings: QueueRecord,
    lost: AbortSignal,
  ): TakenTask {
    const facts = (): FinishFacts => ({
      at: this.#world.clock.now(),
      sequence: this.#nextSequence(),
      retention: spec.retention ?? settings.retention ?? DEFAULT_RETENTION,
      spec,
      also: [del(handKey(attempt.state.worker as string, attempt.state.hand as number))],
    });
    const finish = async (outcome: Outcome, signal = this.#closing.signal) => {
      const ends = { world: this.#world, signal };
      const ended = await endAttempt(this.#store, attempt, outcome, facts(), ends);
      this.#held.delete(giveBack);
      if (!ended) throw staleError(attempt);
    };
    const giveBack = (signal: AbortSignal) => finish({ kind: "released" }, signal);
    this.#held.add(giveBack);
    return {
      id: attempt.id,
      name: spec.name,
      input: spec.input,
      headers: spec.headers ?? {},
      attempt: attempt.state.attempt,
      fence: attempt.fence,
      lost,
      progress: async (percent, detail) => {
        requireDetail(detail);
        const progress = {
          percent: clampPercent(percent),
          ...(detail === undefined ? undefined : { detail }),
          attempt: attempt.state.attempt,
          at: this.#world.clock.now(),
        };
        const part = progressPart(attempt, progress);
        const { signal } = this.#closing;
        const revision = await commitHeld(this.#store, part, this.#world, signal);
        if (revision === undefined) throw staleError(attempt);
      },
      succeed: async (result) => {
        if (result !== undefined) requireJson("result", result);
        requirePayload(`The result of ${attempt.id}`, result, this.#resultBytesMax);
        await finish({ kind: "succeeded", result });
      },
      fail: (error) => finish({ kind: "failed", error: failureOf(error), reason: "error" }),
      release: () => finish({ kind: "released" }),
    };
  }
}

function staleError({ id, state }: Attempt): AttemptStaleError {
  return new AttemptStaleError(
    `Attempt ${state.attempt} no longer holds task ${id}; the write was refused.`,
  );
}
