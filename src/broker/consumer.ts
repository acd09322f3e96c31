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
import { del, type Part } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import type { Attempt } from "../task/attempt.ts";
import { decodeReady } from "../task/decode.ts";
import { DEFAULT_RETENTION } from "../task/enqueue-options.ts";
import { AttemptStaleError, failureOf, TaskNotFoundError } from "../task/failure.ts";
import { handKey, readyKey, workerKey } from "../task/keyspace.ts";
import { positionOf } from "../task/position.ts";
import { clampPercent, progressPart, requireDetail } from "../task/progress.ts";
import { encodeRecord, type SpecRecord } from "../task/records.ts";
import { readOr, readTask } from "../task/task-reader.ts";
import { type FinishFacts, finishPart, type Outcome, releasePart } from "./finish.ts";
import { commitHeld, commitUntilKnown } from "./hold.ts";
import { requirePayload } from "./spec.ts";
import { takeBatch } from "./take.ts";

const SESSION_TTL_MS = 15_000;

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
    const task = await readTask(this.#store, id);
    if (!task) throw new TaskNotFoundError(id);
    const position = positionOf(task.spec, task.state);
    const entry = await this.#store.get(readyKey(id, position));
    const record = entry && readOr(entry, decodeReady);
    if (!record) return undefined;
    const { session, worker } = await this.#open();
    const batch = this.#batches++;
    const { key, modRevision } = entry;
    const taken = takeBatch(
      { worker, alive: session.alive() },
      batch,
      [{ key, modRevision, record, position }],
      this.#world.clock.now(),
    );
    // A take that landed unheard would be held by nobody for as long as this session lives.
    const results = await commitUntilKnown(this.#store, taken.parts, this.#world, session.lost);
    const [attempt] = taken.attempts(results);
    if (attempt) return this.#takenTask(attempt, task.spec, session.lost);
    // What stays behind lists too much, which is harmless.
    this.#store.commit([{ guards: [], writes: [del(handKey(worker, batch))] }]).catch(() => {});
    return undefined;
  }

  /** Ends the session; what is still held goes back to its queue by rescue. */
  async close(): Promise<void> {
    this.#closing.abort();
    const open = await this.#session?.catch(() => undefined);
    this.#session = undefined;
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

  #takenTask(attempt: Attempt, spec: SpecRecord, lost: AbortSignal): TakenTask {
    const facts = (): FinishFacts => ({
      at: this.#world.clock.now(),
      sequence: this.#nextSequence(),
      retention: spec.retention ?? DEFAULT_RETENTION,
      spec,
      also: [del(handKey(attempt.state.worker as string, attempt.state.hand as number))],
    });
    const finish = (outcome: Outcome) =>
      this.#commit(attempt, finishPart(attempt, outcome, facts()));
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
        await this.#commit(attempt, progressPart(attempt, progress));
      },
      succeed: async (result) => {
        if (result !== undefined) requireJson("result", result);
        requirePayload(`The result of ${attempt.id}`, result, this.#resultBytesMax);
        await finish({ kind: "succeeded", result });
      },
      fail: (error) => finish({ kind: "failed", error: failureOf(error) }),
      release: () => this.#commit(attempt, releasePart(attempt, facts())),
    };
  }

  async #commit(attempt: Attempt, part: Part): Promise<void> {
    const revision = await commitHeld(this.#store, part, this.#world, this.#closing.signal);
    if (revision !== undefined) return;
    throw new AttemptStaleError(
      `Attempt ${attempt.state.attempt} no longer holds task ${attempt.id}; the write was refused.`,
    );
  }
}
