import type { Entry, WatchBatch } from "../../src/store/store.ts";
import { currentState } from "../../src/task/current.ts";
import { decodeSpec } from "../../src/task/decode.ts";
import { parseTaskKey, scheduleOfKey } from "../../src/task/keyspace.ts";
import { isFinal } from "../../src/task/state.ts";
import type { Input } from "../world/handlers.ts";
import type { Ledger, Order } from "../world/ledger.ts";
import type { Finding } from "./finding.ts";
import type { HistoryCheck } from "./history-check.ts";

/** A request may be on its way, or be sent again, for so long. */
const UNSETTLED_MS = 30_000;

/** When a revision was made, and whether by a request that had been given up. */
export interface Moment {
  readonly at: number;
  readonly late: boolean;
}

/** What was ordered exists once, and goes only when it has ended or somebody wants it to. */
export class IdentityCheck {
  readonly findings: Finding[] = [];
  readonly #history: HistoryCheck;
  readonly #ledger: Ledger;
  /** How often a task was created, by the number of its order, and by its id. */
  readonly #byOrder = new Map<number, number>();
  /** When the tasks that are gone went. */
  readonly #goneAt = new Map<string, number>();
  readonly #idOf = new Map<number, string>();
  /** Orders that a copy of their request carried out which had been given up. */
  readonly #late = new Set<number>();
  readonly #byTick = new Map<string, number>();

  constructor(history: HistoryCheck, ledger: Ledger) {
    this.#history = history;
    this.#ledger = ledger;
  }

  /** Call it before `HistoryCheck` replays the revision. */
  before({ revision, events }: WatchBatch, when: Moment): void {
    for (const event of events) {
      if (event.type === "delete") this.#forgetSchedule(event.key);
      const parsed = parseTaskKey(event.key);
      if (parsed?.part !== "spec") continue;
      const { id } = parsed;
      if (event.type === "delete") this.#gone(revision, id, when);
      else if (event.entry.version === 1) this.#created(revision, when, event.entry);
    }
  }

  /** Call it when everything has ended. */
  finish(): void {
    for (const order of this.#ledger.orders) {
      const count = this.#byOrder.get(order.n) ?? 0;
      const { answer } = order;
      const { kind } = answer;
      if (kind === "created" && count === 0) this.#wrong(order, count);
      // The store refused a second copy, and the first one came when that would not have been.
      const late = this.#late.has(order.n);
      // A second copy found the task of the first one, changed by somebody else since.
      const own = answer.kind === "joined" && answer.id === this.#idOf.get(order.n);
      // Or the task of the first one was removed before the second copy came.
      const goneAt = this.#goneAt.get(this.#idOf.get(order.n) ?? "") ?? Number.POSITIVE_INFINITY;
      const removed = goneAt - order.sentAt < UNSETTLED_MS;
      const none = kind === "joined" || kind === "refused";
      if (none && count > 0 && !late && !own && !removed) this.#wrong(order, count);
    }
  }

  #created(revision: number, { at, late }: Moment, entry: Entry): void {
    const { id, schedule, input } = decodeSpec(entry.value);
    const find = (what: string) => this.#find(revision, id, what);
    if (schedule) {
      const count = (this.#byTick.get(id) ?? 0) + 1;
      this.#byTick.set(id, count);
      if (count > 1 && !this.#ledger.removed.has(id)) find(`made for its instant ${count} times`);
      return;
    }
    const { n } = input as Input;
    const count = (this.#byOrder.get(n) ?? 0) + 1;
    this.#byOrder.set(n, count);
    this.#idOf.set(n, id);
    if (late) this.#late.add(n);
    const sentAt = this.#ledger.orders.find((order) => order.n === n)?.sentAt ?? 0;
    // Nothing remembers a task that was removed while a copy of its request was still on its way.
    if (count > 1 && at - sentAt > UNSETTLED_MS) find(`order ${n} was carried out ${count} times`);
  }

  /** One that is made anew begins anew. */
  #forgetSchedule(key: string): void {
    if (!key.startsWith("schedule/")) return;
    for (const id of this.#byTick.keys()) {
      if (id.startsWith(`${scheduleOfKey(key)}@`)) this.#byTick.delete(id);
    }
  }

  #gone(revision: number, id: string, { at }: Moment): void {
    this.#goneAt.set(id, at);
    const task = this.#history.tasks.get(id);
    if (!task?.spec) return;
    const { state } = currentState(task.spec, task.state);
    if (isFinal(state) || this.#ledger.removed.has(id)) return;
    if (this.#ledger.purged.has(task.state?.queue ?? task.spec.queue)) return;
    this.#find(revision, id, `it was removed while ${state}, and nobody wanted that`);
  }

  #wrong({ n, answer }: Order, count: number): void {
    const id = "id" in answer ? answer.id : "";
    this.#find(0, id, `order ${n} was ${answer.kind}, and carried out ${count} times`);
  }

  #find(revision: number, subject: string, what: string): void {
    this.findings.push({ invariant: "I1", revision, subject, what });
  }
}
