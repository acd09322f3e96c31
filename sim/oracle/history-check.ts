import type { Revision, WatchBatch, WatchEvent } from "../../src/store/store.ts";
import { claimOf } from "../../src/task/claim.ts";
import { currentState } from "../../src/task/current.ts";
import {
  decodeClaim,
  decodeHand,
  decodeReady,
  decodeSpec,
  decodeState,
} from "../../src/task/decode.ts";
import {
  handKey,
  idOfDueKey,
  idOfExpireKey,
  isHeartbeatKey,
  parseFailedKey,
  parseTaskKey,
  queueOfKey,
  workerOfKey,
} from "../../src/task/keyspace.ts";
import { decodeQueue } from "../../src/task/queue-record.ts";
import type { SpecRecord, StateRecord } from "../../src/task/records.ts";
import { isFinal, mayFollow } from "../../src/task/state.ts";
import type { Finding, Invariant } from "./finding.ts";

/** One task as of a revision. */
export interface TaskNow {
  spec: SpecRecord | undefined;
  state: StateRecord | undefined;
  stateRevision: Revision;
  /** Its keys under each index. */
  readonly ready: Map<string, { readonly revision: number; readonly attempt: number | undefined }>;
  readonly due: Set<string>;
  readonly expire: Set<string>;
  readonly failed: Set<string>;
}

/** What one revision did to the state of one task. */
export interface TaskStep {
  readonly revision: Revision;
  readonly id: string;
  readonly before: StateRecord | undefined;
  /** The revision of `before`; 0 when there was none. */
  readonly beforeRevision: Revision;
  /** `undefined`: the record was deleted. */
  readonly next: StateRecord | undefined;
  /** As it is after the revision; without `spec` when that is gone. */
  readonly task: TaskNow;
}

/**
 * Replays a storage's history, revision by revision, and says where a task broke the rules of its
 * life: one index key that matches its state, legal transitions, counted attempts, hands that cover
 * what runs, nothing taken from a queue that was paused, a unique key held while it lives and no
 * longer.
 */
export class HistoryCheck {
  readonly findings: Finding[] = [];
  readonly tasks = new Map<string, TaskNow>();
  readonly #hands = new Map<string, ReadonlySet<string>>();
  readonly #workers = new Set<string>();
  readonly #paused = new Set<string>();
  readonly #readyIds = new Map<string, string>();
  readonly #nonces = new Set<string>();
  /** Which task holds a key under `unique/`, and which key a task holds. */
  readonly #holders = new Map<string, string>();
  readonly #held = new Map<string, string>();

  /** Replays everything. */
  run(log: readonly WatchBatch[]): void {
    for (const batch of log) this.step(batch);
  }

  /** Replays one revision; returns what it did to states. */
  step({ revision, events }: WatchBatch): TaskStep[] {
    const steps = new Map<string, TaskStep>();
    const touched = new Set<string>();
    for (const event of events) {
      for (const id of this.#apply(event, steps)) touched.add(id);
    }
    for (const step of steps.values()) this.#checkStep(step);
    for (const id of touched) this.#checkIndex(revision, id);
    // Steps are judged by who worked and what was paused before the revision.
    for (const event of events) this.#applyToAll(event);
    for (const id of touched) if (isGone(this.#task(id))) this.tasks.delete(id);
    return [...steps.values()];
  }

  /** Whether the worker is registered. */
  isAlive(worker: string): boolean {
    return this.#workers.has(worker);
  }

  /** Takes an event of a task over; returns the ids that it is about. */
  #apply(event: WatchEvent, steps: Map<string, TaskStep>): readonly string[] {
    const { key } = event;
    // Beat's heartbeats are nobody's record.
    if (isHeartbeatKey(key)) return [];
    const taskKey = parseTaskKey(key);
    if (taskKey) {
      if (taskKey.part === "spec") this.#applySpec(event, taskKey.id);
      else if (taskKey.part === "state") this.#applyState(event, taskKey.id, steps);
      return [taskKey.id];
    }
    if (key.startsWith("ready/")) return this.#applyReady(event);
    if (key.startsWith("unique/")) return this.#applyUnique(event);
    if (key.startsWith("due/")) return this.#applyIndex(event, idOfDueKey(key), "due");
    if (key.startsWith("expire/")) return this.#applyIndex(event, idOfExpireKey(key), "expire");
    if (key.startsWith("failed/")) {
      return this.#applyIndex(event, parseFailedKey(key)?.id, "failed");
    }
    if (key.startsWith("hand/")) return this.#applyHand(event);
    return [];
  }

  #applyToAll(event: WatchEvent): void {
    const { key } = event;
    if (isHeartbeatKey(key)) return;
    if (key.startsWith("queue/")) {
      const paused = event.type === "put" && decodeQueue(event.entry.value).paused !== undefined;
      if (paused) this.#paused.add(queueOfKey(key));
      else this.#paused.delete(queueOfKey(key));
    } else if (key.startsWith("worker/")) {
      if (event.type === "put") this.#workers.add(workerOfKey(key));
      else this.#workers.delete(workerOfKey(key));
    }
  }

  #applySpec(event: WatchEvent, id: string): void {
    const task = this.#task(id);
    if (event.type === "put" && task.state?.state === "running") {
      this.#find("I3", event.modRevision, id, "its spec was written while it ran");
    }
    task.spec = event.type === "put" ? decodeSpec(event.entry.value) : undefined;
  }

  #applyState(event: WatchEvent, id: string, steps: Map<string, TaskStep>): void {
    const task = this.#task(id);
    const before = task.state;
    const beforeRevision = task.stateRevision;
    task.state = event.type === "put" ? decodeState(event.entry.value) : undefined;
    task.stateRevision = event.type === "put" ? event.modRevision : 0;
    const { modRevision: revision } = event;
    steps.set(id, { revision, id, before, beforeRevision, next: task.state, task });
  }

  #applyReady(event: WatchEvent): string[] {
    const { key } = event;
    if (event.type === "delete") {
      const id = this.#readyIds.get(key) ?? "";
      this.#readyIds.delete(key);
      this.#task(id).ready.delete(key);
      return [id];
    }
    const { id, attempt } = decodeReady(event.entry.value);
    this.#readyIds.set(key, id);
    this.#task(id).ready.set(key, { revision: event.modRevision, attempt });
    return [id];
  }

  #applyIndex(
    event: WatchEvent,
    id: string | undefined,
    index: "due" | "expire" | "failed",
  ): string[] {
    if (id === undefined) {
      this.#find("I2", event.modRevision, event.key, "the key is not ours");
      return [];
    }
    const keys = this.#task(id)[index];
    if (event.type === "put") keys.add(event.key);
    else keys.delete(event.key);
    return [id];
  }

  #applyUnique(event: WatchEvent): string[] {
    const { key } = event;
    const before = this.#holders.get(key);
    this.#holders.delete(key);
    if (before !== undefined) this.#held.delete(before);
    const holder = event.type === "put" ? decodeClaim(event.entry.value).id : undefined;
    if (holder !== undefined) {
      this.#holders.set(key, holder);
      this.#held.set(holder, key);
    }
    return [before, holder].filter((id) => id !== undefined);
  }

  #applyHand(event: WatchEvent): readonly string[] {
    const { key } = event;
    const held = this.#hands.get(key) ?? new Set<string>();
    if (event.type === "put") {
      const { queues } = decodeHand(event.entry.value);
      this.#hands.set(key, new Set(Object.values(queues).flat()));
    } else this.#hands.delete(key);
    return [...held];
  }

  /** One step from a state to the next one. */
  #checkStep({ revision, id, before, next, task }: TaskStep): void {
    const find = (invariant: Invariant, what: string) => this.#find(invariant, revision, id, what);
    const from = (task.spec ? currentState(task.spec, before) : before)?.state ?? "pending";
    if (!next) {
      if (task.spec) find("I3", "its state was deleted");
      if (from === "running") find("I3", "it was removed while it ran");
      return;
    }
    if (!mayFollow(from, next.state)) find("I3", `${from} was followed by ${next.state}`);
    const counted = next.attempt - (before?.attempt ?? 0);
    const takes = next.state === "running";
    const waits = next.state === "pending" || next.state === "scheduled";
    const released = from === "running" && waits && counted === -1;
    if (counted !== (takes ? 1 : 0) && !released) {
      find("I3", `its attempts changed by ${counted}`);
    }
    const generations = (next.generation ?? 1) - (before?.generation ?? 1);
    if (generations !== (isFinal(from) ? 1 : 0)) {
      find("I3", `its generation grew by ${generations}`);
    }
    if (generations === 0 && (next.lost ?? 0) < (before?.lost ?? 0)) {
      find("I3", "it forgot lost workers");
    }
    if (takes) this.#checkTake(revision, id, next, task);
  }

  #checkTake(revision: Revision, id: string, { worker, hand, queue }: StateRecord, task: TaskNow) {
    const find = (what: string) => this.#find("I4", revision, id, what);
    const from = queue ?? task.spec?.queue ?? "";
    if (this.#paused.has(from)) find(`it was taken from ${from}, which was paused`);
    const nonce = `${worker}/${hand}/${id}`;
    if (this.#nonces.has(nonce)) find(`it was taken twice in one batch, ${nonce}`);
    this.#nonces.add(nonce);
    if (!this.#workers.has(worker ?? "")) find(`${worker} took it and was not alive`);
  }

  /** What must be true of a task after every revision. */
  #checkIndex(revision: Revision, id: string): void {
    const { spec, state, stateRevision, ready, due, expire, failed } = this.#task(id);
    const name = spec ? currentState(spec, state).state : "removed";
    const find = (what: string) => this.#find("I2", revision, id, `${name}: ${what}`);
    const ended = name !== "removed" && state !== undefined && isFinal(state.state);
    if (ready.size !== (name === "pending" ? 1 : 0)) find(`${ready.size} ready entries`);
    if (due.size !== (name === "scheduled" ? 1 : 0)) find(`${due.size} due entries`);
    if (expire.size !== (ended ? 1 : 0)) find(`${expire.size} expire entries`);
    if (failed.size !== (name === "failed" ? 1 : 0)) find(`${failed.size} dead letters`);
    if (name === "removed" && state) find("it has a state");
    this.#checkUnique(revision, id);
    for (const { revision: written, attempt } of ready.values()) {
      if ((attempt === undefined) !== (state === undefined)) find("its ready entry is untrue");
      if (state && written !== stateRevision) find("its ready entry cannot be taken");
    }
    if (state?.state !== "running") return;
    const hand = this.#hands.get(handKey(state.worker ?? "", state.hand ?? -1));
    if (!hand?.has(id)) find("no hand lists it");
  }

  #checkUnique(revision: Revision, id: string): void {
    const { spec, state } = this.#task(id);
    const lives = spec?.unique !== undefined && !isFinal(currentState(spec, state).state);
    const wanted = lives ? claimOf(spec) : undefined;
    const held = this.#held.get(id);
    if (held !== wanted) this.#find("I12", revision, id, `it holds ${held}, not ${wanted}`);
  }

  #task(id: string): TaskNow {
    let task = this.tasks.get(id);
    if (!task) {
      const sets = { due: new Set<string>(), expire: new Set<string>(), failed: new Set<string>() };
      const nothing = { spec: undefined, state: undefined, stateRevision: 0 };
      task = { ...nothing, ready: new Map(), ...sets };
      this.tasks.set(id, task);
    }
    return task;
  }

  #find(invariant: Invariant, revision: Revision, subject: string, what: string): void {
    this.findings.push({ invariant, revision, subject, what });
  }
}

function isGone({ spec, state, ready, due, expire, failed }: TaskNow): boolean {
  const keys = ready.size + due.size + expire.size + failed.size;
  return spec === undefined && state === undefined && keys === 0;
}
