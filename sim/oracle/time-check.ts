import type { WatchBatch } from "../../src/store/store.ts";
import { claimOf } from "../../src/task/claim.ts";
import { currentState } from "../../src/task/current.ts";
import { decodeSpec } from "../../src/task/decode.ts";
import { parseTaskKey } from "../../src/task/keyspace.ts";
import { EPOCH_MS } from "../engine/life-clock.ts";
import type { Ledger } from "../world/ledger.ts";
import type { Finding } from "./finding.ts";
import type { TaskStep } from "./history-check.ts";

/** Rounding to whole milliseconds, and no more. */
const ROUNDING_MS = 1;

/**
 * Nothing happens before its time: by the true time, and as far as clocks can tell. `skewMs` is how
 * far any two clocks have been apart.
 */
export class TimeCheck {
  readonly findings: Finding[] = [];
  readonly #ledger: Ledger;
  readonly #throttled = new Map<string, number>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Judges one revision that was made at the virtual time `now`. */
  step({ revision, events }: WatchBatch, steps: readonly TaskStep[], now: number, skewMs: number) {
    const at = EPOCH_MS + now;
    for (const { id, before, next, task } of steps) {
      const waited = task.spec ? currentState(task.spec, before) : before;
      const { dueAt } = waited ?? {};
      if (waited?.state !== "scheduled" || next?.state !== "pending" || dueAt === undefined)
        continue;
      if (this.#ledger.moved.has(id)) continue;
      const early = dueAt - at - skewMs;
      if (early > ROUNDING_MS) {
        const what = `it was made ready ${Math.round(early)} ms before its time`;
        this.findings.push({ invariant: "I9", revision, subject: id, what });
      }
    }
    for (const event of events) {
      const parsed = parseTaskKey(event.key);
      if (parsed?.part !== "spec" || event.type !== "put" || event.entry.version > 1) continue;
      const spec = decodeSpec(event.entry.value);
      const claim = spec.throttle && claimOf(spec);
      if (claim === undefined) continue;
      const until = this.#throttled.get(claim) ?? 0;
      if (at + skewMs + ROUNDING_MS < until) {
        const what = `a second task of ${claim} within its period`;
        this.findings.push({ invariant: "I12", revision, subject: parsed.id, what });
      }
      this.#throttled.set(claim, spec.throttle?.until ?? 0);
    }
  }
}
