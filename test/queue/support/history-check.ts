import type { WatchBatch, WatchEvent } from "../../../src/store/store.ts";
import { currentState } from "../../../src/task/current.ts";
import { decodeHand, decodeReady, decodeSpec, decodeState } from "../../../src/task/decode.ts";
import {
  handKey,
  idOfDueKey,
  idOfExpireKey,
  parseFailedKey,
  parseTaskKey,
  queueOfKey,
} from "../../../src/task/keyspace.ts";
import { decodeQueue } from "../../../src/task/queue-record.ts";
import type { SpecRecord, StateRecord } from "../../../src/task/records.ts";
import { isFinal, mayFollow } from "../../../src/task/state.ts";

/** One task as of a revision. */
interface TaskNow {
  spec: SpecRecord | undefined;
  state: StateRecord | undefined;
  stateRevision: number;
  /** Its keys under each index. */
  readonly ready: Map<string, { readonly revision: number; readonly attempt: number | undefined }>;
  readonly due: Set<string>;
  readonly expire: Set<string>;
  readonly failed: Set<string>;
}

/**
 * Replays a storage's history, revision by revision, and says where a task broke the rules of its
 * life: one index key that matches its state, legal transitions, counted attempts, hands that cover
 * what runs, nothing taken from a queue that was paused.
 */
export class HistoryCheck {
  readonly findings: string[] = [];
  readonly tasks = new Map<string, TaskNow>();
  readonly #hands = new Map<string, ReadonlySet<string>>();
  readonly #workers = new Set<string>();
  readonly #paused = new Set<string>();
  readonly #readyIds = new Map<string, string>();
  readonly #nonces = new Set<string>();

  /** Replays everything. */
  run(log: readonly WatchBatch[]): void {
    for (const { revision, events } of log) {
      const before = new Map<string, StateRecord | undefined>();
      const earlier = { alive: new Set(this.#workers), paused: new Set(this.#paused) };
      const touched = new Set<string>();
      for (const event of events) {
        const id = this.#apply(event);
        for (const each of id) {
          touched.add(each);
          const key = parseTaskKey(event.key);
          if (key?.part === "state") before.set(each, this.#previous);
        }
      }
      for (const [id, previous] of before) this.#checkStep(revision, id, previous, earlier);
      for (const id of touched) this.#checkIndex(revision, id);
    }
  }

  #previous: StateRecord | undefined;

  /** Takes an event over; returns the ids that it is about. */
  #apply(event: WatchEvent): string[] {
    const { key } = event;
    const put = event.type === "put" ? event.entry : undefined;
    // Beat's heartbeats are nobody's record.
    if (key.endsWith("/~")) return [];
    const taskKey = parseTaskKey(key);
    if (taskKey) {
      const task = this.#task(taskKey.id);
      if (taskKey.part === "spec") {
        const runs = task.state?.state === "running";
        if (put && runs) this.#find(event, `${taskKey.id}: its spec was written while it ran`);
        task.spec = put && decodeSpec(put.value);
      } else if (taskKey.part === "state") {
        this.#previous = task.state;
        task.state = put && decodeState(put.value);
        task.stateRevision = put ? put.modRevision : 0;
      }
      return [taskKey.id];
    }
    if (key.startsWith("ready/")) return this.#applyReady(event);
    if (key.startsWith("due/")) return this.#applyIndex(event, idOfDueKey(key), "due");
    if (key.startsWith("expire/")) return this.#applyIndex(event, idOfExpireKey(key), "expire");
    if (key.startsWith("failed/")) {
      return this.#applyIndex(event, parseFailedKey(key)?.id, "failed");
    }
    if (key.startsWith("queue/")) {
      if (put && decodeQueue(put.value).paused) this.#paused.add(queueOfKey(key));
      else this.#paused.delete(queueOfKey(key));
    }
    if (key.startsWith("worker/")) {
      if (put) this.#workers.add(key.slice("worker/".length));
      else this.#workers.delete(key.slice("worker/".length));
    }
    if (key.startsWith("hand/")) {
      const held = this.#hands.get(key) ?? new Set<string>();
      if (put) {
        this.#hands.set(key, new Set(Object.values(decodeHand(put.value).queues).flat()));
      } else this.#hands.delete(key);
      return [...held];
    }
    return [];
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
      this.#find(event, "the key is not ours");
      return [];
    }
    const keys = this.#task(id)[index];
    if (event.type === "put") keys.add(event.key);
    else keys.delete(event.key);
    return [id];
  }

  /** One step from a state to the next one. */
  #checkStep(
    revision: number,
    id: string,
    previous: StateRecord | undefined,
    earlier: { readonly alive: ReadonlySet<string>; readonly paused: ReadonlySet<string> },
  ): void {
    const task = this.#task(id);
    const next = task.state;
    const find = (what: string) => this.findings.push(`${revision} ${id}: ${what}`);
    const from = (task.spec ? currentState(task.spec, previous) : previous)?.state ?? "pending";
    if (!next) {
      if (task.spec) find("its state was deleted");
      if (from === "running") find("it was removed while it ran");
      return;
    }
    if (!mayFollow(from, next.state)) find(`${from} was followed by ${next.state}`);
    const counted = next.attempt - (previous?.attempt ?? 0);
    const takes = next.state === "running";
    const waits = next.state === "pending" || next.state === "scheduled";
    const released = from === "running" && waits && counted === -1;
    if (counted !== (takes ? 1 : 0) && !released) find(`its attempts changed by ${counted}`);
    const generations = (next.generation ?? 1) - (previous?.generation ?? 1);
    if (generations !== (isFinal(from) ? 1 : 0)) find(`its generation grew by ${generations}`);
    if (generations === 0 && (next.lost ?? 0) < (previous?.lost ?? 0)) {
      find("it forgot lost workers");
    }
    if (!takes) return;
    const queue = next.queue ?? task.spec?.queue ?? "";
    if (earlier.paused.has(queue)) find(`it was taken from ${queue}, which was paused`);
    const nonce = `${next.worker}/${next.hand}/${id}`;
    if (this.#nonces.has(nonce)) find(`it was taken twice in one batch, ${nonce}`);
    this.#nonces.add(nonce);
    if (!earlier.alive.has(next.worker ?? "")) find(`${next.worker} took it and was not alive`);
  }

  /** What must be true of a task after every revision. */
  #checkIndex(revision: number, id: string): void {
    const { spec, state, stateRevision, ready, due, expire, failed } = this.#task(id);
    const name = spec ? currentState(spec, state).state : "removed";
    const find = (what: string) => this.findings.push(`${revision} ${id}, ${name}: ${what}`);
    const wanted = {
      ready: name === "pending" ? 1 : 0,
      due: name === "scheduled" ? 1 : 0,
      expire: name !== "removed" && state && isFinal(state.state) ? 1 : 0,
      failed: name === "failed" ? 1 : 0,
    };
    const found = {
      ready: ready.size,
      due: due.size,
      expire: expire.size,
      failed: failed.size,
    };
    if (JSON.stringify(found) !== JSON.stringify(wanted)) find(`keys ${JSON.stringify(found)}`);
    if (name === "removed" && state) find("it has a state");
    for (const { revision: written, attempt } of ready.values()) {
      if ((attempt === undefined) !== (state === undefined)) find("its ready entry is untrue");
      if (state && written !== stateRevision) find("its ready entry cannot be taken");
    }
    if (state?.state !== "running") return;
    const hand = this.#hands.get(handKey(state.worker ?? "", state.hand ?? -1));
    if (!hand?.has(id)) find("no hand lists it");
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

  #find(event: WatchEvent, what: string): void {
    this.findings.push(`${event.modRevision} ${event.key}: ${what}`);
  }
}
