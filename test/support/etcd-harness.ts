import { afterAll, beforeAll } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { type EtcdStore, openEtcdStore } from "../../src/store/etcd/index.ts";
import { del, type Part } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import type { Store } from "../../src/store/store.ts";
import { type EtcdServer, type EtcdServerOptions, startEtcd } from "./etcd-server.ts";
import type { ClockedHarness } from "./store-harness.ts";

const DELETES_PER_PART = 32;

/** Opens harnesses on one server, which runs as long as the test file that calls this. */
export function etcdOpener(options: EtcdServerOptions): () => Promise<ClockedHarness> {
  let server: EtcdServer | undefined;
  beforeAll(async () => {
    server = await startEtcd(options);
  });
  afterAll(() => server?.stop());
  return async () => {
    if (server === undefined) throw new Error("The server does not run.");
    return openEtcdHarness(server);
  };
}

/** Long for a server beside us, and short where a case waits for a failure. */
const OPERATION_MS = 2_500;

/** A store on `server`. */
export function openStoreOn(server: EtcdServer): Promise<EtcdStore> {
  const { endpoint, url } = server;
  return openEtcdStore({ endpoints: [endpoint], url, operationMs: OPERATION_MS });
}

/** A client that has the whole server, emptied, for itself. Time is real. */
async function openEtcdHarness(server: EtcdServer): Promise<ClockedHarness> {
  const opened: EtcdStore[] = [];
  const another = async () => {
    const store = await openStoreOn(server);
    opened.push(store);
    return store;
  };
  const store = await another();
  await deleteAll(store);
  return {
    store,
    clock: systemClock,
    namespaceBytes: 0,
    elapse: (ms) => systemClock.sleep(ms),
    compact: (revision) => store.compact(revision),
    another,
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((each) => each.close()));
    },
  };
}

async function deleteAll(store: Store): Promise<void> {
  for (let more = true; more; ) {
    const page = await store.range(prefixRange(""));
    const keys = page.entries.map(({ key }) => key);
    const parts: Part[] = [];
    while (keys.length > 0) {
      parts.push({ guards: [], writes: keys.splice(0, DELETES_PER_PART).map(del) });
    }
    if (parts.length > 0) await store.commit(parts);
    more = page.more;
  }
}
