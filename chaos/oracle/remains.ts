import { prefixRange } from "../../src/store/range.ts";
import type { Entry, Store } from "../../src/store/store.ts";
import { isHeartbeatKey } from "../../src/task/keyspace.ts";
import { LINEAR_PREFIX } from "../actors/store-client.ts";
import { isDamaged } from "../record-faults.ts";
import type { Recorded } from "../recorder.ts";

/** Nothing may wait, run or be held when everything has ended and stopped. */
const TRANSIENT = ["ready/", "due/", "hand/", "signal/", "unique/", "worker/", "agent/", "beat/"];
/** What stays when all tasks are gone. */
const LASTING = ["meta", "queue/", "schedule/", LINEAR_PREFIX];

/** Keys that should not be there when everything has ended; `cleaned`: and is removed. */
export async function leftovers(
  store: Store,
  { cleaned }: { readonly cleaned: boolean },
): Promise<string[]> {
  const keys = (await everything(store))
    .map(({ key }) => key)
    .filter((key) => !isHeartbeatKey(key));
  const under = (prefixes: readonly string[]) => (key: string) =>
    prefixes.some((prefix) => key.startsWith(prefix));
  const isLasting = under(LASTING);
  return keys.filter(cleaned ? (key) => !isLasting(key) : under(TRANSIENT));
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
