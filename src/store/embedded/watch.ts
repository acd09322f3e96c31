import type { Clock } from "../../base/clock.ts";
import { requireInteger } from "../../base/options.ts";
import { inRange, type KeyRange } from "../range.ts";
import type { Revision, WatchBatch, WatchEvent, WatchOptions } from "../store.ts";
import type { Tail } from "./tail.ts";

/** A batch ends with the revision that brings it to this many events. */
const BATCH_EVENTS_MAX = 1_000;

/** After so many revisions without a change of its range, a watch tells how far it is. */
const SILENT_REVISIONS_MAX = 1_000;

/** The changes of a range after a revision, as `Store.watch` promises them. */
export async function* watchRange(
  tail: Tail,
  clock: Clock,
  range: KeyRange,
  { after, signal }: WatchOptions,
): AsyncGenerator<WatchBatch, void, undefined> {
  let position = requireInteger("after", after, 0, Number.MAX_SAFE_INTEGER);
  const aborted = () => signal?.aborted === true;
  if (aborted()) return;
  const leave = tail.join(position);
  let delivered = position;
  let wake = () => {};
  const onAbort = () => wake();
  signal?.addEventListener("abort", onAbort);
  try {
    while (!aborted()) {
      const batch = nextBatch(tail, range, position);
      if (batch === undefined) {
        await tail.wait((given) => {
          wake = given;
        });
        continue;
      }
      position = batch.revision;
      if (batch.events.length > 0 || position - delivered >= SILENT_REVISIONS_MAX) {
        delivered = position;
        yield batch;
      } else {
        // A long way through foreign changes must not hold up the event loop.
        await new Promise<void>((resolve) => clock.nextTurn(resolve));
      }
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    leave();
  }
}

function nextBatch(tail: Tail, range: KeyRange, after: Revision): WatchBatch | undefined {
  const events: WatchEvent[] = [];
  let revision = after;
  for (const logged of tail.read(after)) {
    revision = logged.revision;
    for (const event of logged.events) if (inRange(range, event.key)) events.push(event);
    if (events.length >= BATCH_EVENTS_MAX) break;
  }
  return revision === after ? undefined : { revision, events };
}
