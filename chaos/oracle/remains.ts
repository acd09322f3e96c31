import { prefixRange } from "../../src/store/range.ts";
import type { Entry, Store } from "../../src/store/store.ts";
import { isHeartbeatKey } from "../../src/task/keyspace.ts";
import { LINEAR_PREFIX } from "../actors/store-client.ts";
import { isDamaged } from "../record-faults.ts";
import type { Recorded } from "../recorder.ts";

/** What waits or is held: gone when everything has ended, once a worker has looked after it. */
const HELD = ["ready/", "due/", "hand/", "signal/", "unique/"];
/** Who there is: gone when every process has stopped. */
const PRESENT = ["worker/", "agent/", "beat/"];
/** What stays when all tasks are gone. */
const LASTING = ["meta", "queue/", "schedule/", LINEAR_PREFIX];

/**
 * How far a run has come: everything has `ended`, and was also removed (`swept`); every process has
 * `stopped`, when everything had ended or after it was removed (`cleaned`).
 */
export type Rest = "ended" | "swept" | "stopped" | "cleaned";

/** Keys that should not be there any more. */
export async function leftovers(store: Store, rest: Rest): Promise<string[]> {
  const keys = (await everything(store))
    .map(({ key }) => key)
    .filter((key) => !isHeartbeatKey(key));
  const under = (prefixes: readonly string[]) => (key: string) =>
    prefixes.some((prefix) => key.startsWith(prefix));
  if (rest === "ended") return keys.filter(under(HELD));
  if (rest === "stopped") return keys.filter(under([...HELD, ...PRESENT]));
  const isLasting = under(rest === "swept" ? [...LASTING, ...PRESENT] : LASTING);
  return keys.filter((key) => !isLasting(key));
}

/** Compares what a store holds with what its recorded history says that it holds. */
export async function compareStore(
  store: Store,
  history: readonly Recorded[],
): Promise<{ keys: number; differences: { key: string; what: string }[] }> {
  const replayed = new Map<string, Entry>();
  for (const { events } of history) {
    for (const event of events) {
      if (event.type === "put") replayed.set(event.key, event.entry);
      else replayed.delete(event.key);
    }
  }
  const differences: { key: string; what: string }[] = [];
  const entries = await everything(store);
  for (const entry of entries) {
    const { key } = entry;
    const known = replayed.get(key);
    replayed.delete(key);
    if (known === undefined) differences.push({ key, what: "it exists, and was never written" });
    else if (shown(known) !== shown(entry)) {
      differences.push({ key, what: `it is ${shown(entry)}; the history says ${shown(known)}` });
    }
  }
  for (const key of replayed.keys()) {
    differences.push({ key, what: "it is gone, and was never deleted" });
  }
  return { keys: entries.length, differences };
}

function shown({ createRevision, modRevision, version, value }: Entry): string {
  return [createRevision, modRevision, version, Buffer.from(value).toString("hex")].join("/");
}

async function everything(store: Store): Promise<Entry[]> {
  const found: Entry[] = [];
  const { end } = prefixRange("");
  let revision: number | undefined;
  for (let start = ""; ; ) {
    const page = await store.range({ start, end }, revision === undefined ? {} : { revision });
    revision = page.revision;
    found.push(...page.entries.filter((entry) => !isDamaged(entry.key)));
    const key = page.entries.at(-1)?.key;
    if (!page.more || key === undefined) return found;
    start = `${key}\0`;
  }
}
