import type { App } from "../../src/index.ts";
import { decodeState } from "../../src/task/decode.ts";
import { parseTaskKey, tasksRange } from "../../src/task/keyspace.ts";
import type { StateRecord } from "../../src/task/records.ts";

/** Every state that each task ever had, in order, from the store's history after `after`. */
export async function stateHistory(app: App, after: number): Promise<Map<string, StateRecord[]>> {
  const histories = new Map<string, StateRecord[]>();
  const { revision } = await app.backend.list({ limit: 1 });
  const ending = new AbortController();
  // The marker is the end of the history: everything before it has been delivered when it comes.
  const marker = await app.enqueue("history.marker");
  for await (const { events } of app.store.watch(tasksRange(""), {
    after,
    signal: ending.signal,
  })) {
    for (const event of events) {
      const key = parseTaskKey(event.key);
      if (key?.id === marker.id) ending.abort();
      if (key?.part !== "state" || event.type !== "put" || event.modRevision > revision) continue;
      const states = histories.get(key.id) ?? [];
      states.push(decodeState(event.entry.value));
      histories.set(key.id, states);
    }
  }
  await app.broker.remove(marker.id);
  return histories;
}
