import type { WatchBatch, WatchEvent } from "../../../src/store/store.ts";
import { decodeHand, decodeReady, decodeSpec, decodeState } from "../../../src/task/decode.ts";
import { handKey, idOfDueKey, idOfExpireKey, parseTaskKey } from "../../../src/task/keyspace.ts";
import type { StateRecord } from "../../../src/task/records.ts";
import { isFinal, mayFollow } from "../../../src/task/state.ts";

/** One task as of a revision. */
interface TaskNow {
  spec: boolean;
  state: StateRecord | undefined;
  stateRevision: number;
  /** Its keys under each index. */
  readonly ready: Map<string, { readonly revision: number; readonly attempt: number | undefined }>;
  readonly due: Set<string>;
  readonly expire: Set<string>;
}

/**
 * Replays a storage's history, revision by revision, and says where a task broke the rules of its
 * life: one index key that matches its state, legal transitions, counted attempts, hands that cover
 * what runs.
 */
export class HistoryCheck {
  readonly findings: string[] = [];
  readonly tasks = new Map<string, TaskNow>();
  readonly #hands = new Map<string, ReadonlySet<string>>();
  readonly #workers = new Set<string>();
  readonly #readyIds = new Map<string, string>();
  readonly #nonces = new Set<string>();

  /** Replays everything. */
  run(log: readonly WatchBatch[]): void {
    for (const { revision, events } of log) {
      const before = new Map<string, StateRecord | undefined>();
      const aliveBefore = new Set(this.#workers);
      const touched = new Set<string>();
      for (const event of events) {
        const id = this.#apply(event);
        for (const each of id) {
          touched.add(each);
          const key = parseTaskKey(event.key);
          if (key?.part === "state") before.set(each, this.#previous);
        }
      }
      for (const [id, previous] of before) this.#checkStep(revision, id, previous, aliveBefore);
      for (const id of touched) this.#checkIndex(revision, id);
    }
  }

  #previous: StateRecord | undefined;

  /** Takes an event over; returns the ids that it is about. */
  #apply(event: WatchEvent): string[] {
    const { key } = event;
    const put = event.type === "put" ? event.entry : undefined;
    const taskKey = parseTaskKey(key);
    if (taskKey) {
      const task = this.#task(taskKey.id);
      if (taskKey.part === "spec") {
        if (put && task.spec) this.#find(event, `${taskKey.id}: its spec was written twice`);
        if (put) decodeSpec(put.value);
        task.spec = put !== undefined;
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

  #applyIndex(event: WatchEvent, id: string | undefined, index: "due" | "expire"): string[] {
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
    aliveBefore: ReadonlySet<string>,
  ): void {
    const task = this.#task(id);
    const next = task.state;
    const find = (what: string) => this.findings.push(`${revision} ${id}: ${what}`);
    const from = previous?.state ?? "pending";
    if (!next) {
      if (task.spec) find("its state was deleted");
      if (from === "running") find("it was removed while it ran");
      return;
    }
    if (!mayFollow(from, next.state)) find(`${from} was followed by ${next.state}`);
    const counted = next.attempt - (previous?.attempt ?? 0);
    const takes = next.state === "running";
    const released = from === "running" && next.state === "pending" && counted === -1;
    if (counted !== (takes ? 1 : 0) && !released) find(`its attempts changed by ${counted}`);
    if ((next.lost ?? 0) < (previous?.lost ?? 0)) find("it forgot lost workers");
    if (!takes) return;
    const nonce = `${next.worker}/${next.hand}/${id}`;
    if (this.#nonces.has(nonce)) find(`it was taken twice in one batch, ${nonce}`);
    this.#nonces.add(nonce);
    if (!aliveBefore.has(next.worker ?? "")) find(`${next.worker} took it and was not alive`);
  }

  /** What must be true of a task after every revision. */
  #checkIndex(revision: number, id: string): void {
    const { spec, state, stateRevision, ready, due, expire } = this.#task(id);
    const name = spec ? (state?.state ?? "pending") : "removed";
    const find = (what: string) => this.findings.push(`${revision} ${id}, ${name}: ${what}`);
    const wanted = {
      ready: name === "pending" ? 1 : 0,
      due: name === "scheduled" ? 1 : 0,
      expire: name !== "removed" && state && isFinal(state.state) ? 1 : 0,
    };
    const found = { ready: ready.size, due: due.size, expire: expire.size };
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
      const maps = { ready: new Map(), due: new Set<string>(), expire: new Set<string>() };
      task = { spec: false, state: undefined, stateRevision: 0, ...maps };
      this.tasks.set(id, task);
    }
    return task;
  }

  #find(event: WatchEvent, what: string): void {
    this.findings.push(`${event.modRevision} ${event.key}: ${what}`);
  }
}
