import { channel } from "node:diagnostics_channel";
import { expect, test, vi } from "vitest";
import { runLoop } from "../../src/base/loop.ts";
import { systemRandom } from "../../src/base/random.ts";
import { runCompactor } from "../../src/beat/compactor.ts";
import { openEtcdStore } from "../../src/store/etcd/index.ts";
import { put } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";
import { optionsOf } from "../support/etcd-driver.ts";
import { startEtcd } from "../support/etcd-server.ts";
import { createFastClock } from "../support/fast-clock.ts";

vi.setConfig({ testTimeout: 60_000 });
const RANGE = prefixRange("a/");

for (const line of ["3.4", "3.5"] as const) {
  test(`compaction: on etcd ${line} two leaders and an operator bound the history, watches go on`, async () => {
    await using server = await startEtcd({ line });
    await using store = await openEtcdStore(optionsOf(server.url));
    const ending = new AbortController();
    const world = { clock: createFastClock(100), random: systemRandom };
    const failures: unknown[] = [];
    const onFailure = (event: unknown) => failures.push(event);
    channel("etask:loop:failed").subscribe(onFailure);
    const compacted: number[] = [];
    const onCompacted = (event: unknown) =>
      compacted.push((event as { revision: number }).revision);
    channel("etask:beat:compacted").subscribe(onCompacted);
    const loops = [1, 2].map(() =>
      runLoop("compactor", world, ending.signal, (ends) =>
        runCompactor(store, world, ends, { compactionMs: 180_000 }),
      ),
    );
    const seen: number[] = [];
    const watching = (async () => {
      for await (const { events } of store.watch(RANGE, { after: 0, signal: ending.signal })) {
        seen.push(...events.map(({ modRevision }) => modRevision));
      }
    })();
    const written: number[] = [];
    while (compacted.length < 5) {
      const writes = [put(`a/${written.length % 7}`, Buffer.from("x"))];
      const [result] = await store.commit([{ guards: [], writes }]);
      written.push(result?.revision ?? 0);
      if (written.length === 50) {
        await vi.waitUntil(() => seen.length > 25);
        await store.compact(written[25] ?? 0);
      }
    }
    await vi.waitUntil(() => seen.length === written.length);
    ending.abort();
    await Promise.all([...loops, watching]);
    channel("etask:loop:failed").unsubscribe(onFailure);
    channel("etask:beat:compacted").unsubscribe(onCompacted);

    expect(seen).toEqual(written);
    expect(failures).toEqual([]);
    expect(Math.max(...compacted)).toBeLessThan(written.at(-1) ?? 0);
    await expect(store.range(RANGE, { revision: written[0] ?? 1 })).rejects.toMatchObject({
      code: "HISTORY_LOST",
    });
  });
}
