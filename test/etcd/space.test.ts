import { channel } from "node:diagnostics_channel";
import { expect, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Events } from "../../src/base/events.ts";
import { runLoop } from "../../src/base/loop.ts";
import { systemRandom } from "../../src/base/random.ts";
import { runCompactor } from "../../src/beat/compactor.ts";
import { runSpaceWatch } from "../../src/beat/space.ts";
import { runSweeper } from "../../src/beat/sweeper.ts";
import { openEtcdStore } from "../../src/store/etcd/index.ts";
import { createNamespacedStore } from "../../src/store/namespaced-store.ts";
import { openStore } from "../../src/store/open-store.ts";
import { del, put } from "../../src/store/part.ts";
import { createResolvingStore } from "../../src/store/resolving-store.ts";
import type { Store } from "../../src/store/store.ts";
import { defineTask } from "../../src/task/task.ts";
import { defineHeldTask } from "../queue/support/tasks.ts";
import { optionsOf } from "../support/etcd-driver.ts";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";
import { createFastClock } from "../support/fast-clock.ts";

const MIB = 1024 ** 2;
vi.setConfig({ testTimeout: 300_000 });

/** Resolves with the next event for which `wanted` holds. */
function nextEvent<Name extends keyof Events>(
  name: Name,
  wanted: (event: Events[Name]) => boolean = () => true,
): Promise<Events[Name]> {
  return new Promise((resolve) => {
    const listen = (event: unknown) => {
      if (!wanted(event as Events[Name])) return;
      channel(name).unsubscribe(listen);
      resolve(event as Events[Name]);
    };
    channel(name).subscribe(listen);
  });
}

/** Does something again and again until it fails, and gives back the error's code. */
async function untilRefused(act: (n: number) => Promise<unknown>): Promise<string> {
  for (let n = 0; n < 10_000; n += 1) {
    try {
      await act(n);
    } catch (error) {
      return (error as { code: string }).code;
    }
  }
  throw new Error("It was never refused.");
}

const USAGE: readonly (readonly [string, { quotaBytes?: number; tls?: true }, string, object])[] = [
  ["the server's metrics", { quotaBytes: 64 * MIB }, "", { bytes: 64 * MIB, source: "server" }],
  ["the same over TLS", { quotaBytes: 64 * MIB, tls: true }, "", { bytes: 64 * MIB }],
  ["the URL", {}, "quota=48MiB", { bytes: 48 * MIB, source: "url" }],
  ["the server, which has none", { quotaBytes: -1 }, "", { bytes: undefined, source: "server" }],
];

for (const line of ["3.4", "3.5"] as const) {
  test.each(USAGE)(`usage: on etcd ${line} the quota is told by %s`, async (...example) => {
    const [, options, parameter, quota] = example;
    await using server = await startEtcd({ line, ...options });
    const url = parameter ? `${server.url}?${parameter}` : server.url;
    await using store = await openEtcdStore(optionsOf(url));
    const [status] = await store.status();
    expect(status).toMatchObject({ quota });
    const usage = await store.upkeep.usage();
    if ("bytes" in quota && quota.bytes === undefined) return expect(usage).toBeUndefined();
    expect(usage).toMatchObject({ quotaBytes: (quota as { bytes: number }).bytes });
    expect(usage?.usedBytes).toBeGreaterThan(0);
    expect(usage?.usedBytes).toBeLessThanOrEqual(usage?.fileBytes ?? 0);
  });

  test(`row 26: on etcd ${line}, tasks finish while new ones are refused, until there is room`, async () => {
    await using server = await startEtcd({ line, quotaBytes: 48 * MIB });
    const held = defineHeldTask("held");
    const fill = defineTask({ name: "fill", retention: "1s", run: (_: string) => undefined });
    const tasks = [held.task, fill];
    await using app = await createApp({ store: server.url, tasks, beat: false });
    await using store = await openStore(server.url);
    const ending = new AbortController();
    const world = { clock: createFastClock(20), random: systemRandom };
    const loop = (name: string, run: (signal: AbortSignal) => Promise<void>) =>
      runLoop(name, world, ending.signal, run);
    const space = loop("space", (ends) => runSpaceWatch(store, world, ends, { leader: "me" }));

    const handle = await held.task.delay();
    await app.createWorker().start();
    await vi.waitUntil(() => held.running() === 1);
    const closed = nextEvent("etask:store:space", ({ accepting }) => !accepting);
    const input = "x".repeat(20_000);
    expect(await untilRefused(() => fill.delay(input))).toBe("STORE_NEARLY_FULL");
    expect((await closed).quotaBytes).toBe(48 * MIB);
    held.calls[0]?.end.resolve("done");
    expect(await handle.result({ timeout: "20s" })).toBe("done");

    const open = nextEvent("etask:store:space", ({ accepting }) => accepting);
    const sweeper = loop("sweeper", (ends) => runSweeper(store, world, ends));
    const compaction = { compactionMs: 180_000 };
    const compactor = loop("compactor", (ends) => runCompactor(store, world, ends, compaction));
    expect((await open).usedBytes).toBeLessThan(0.7 * 48 * MIB);
    await fill.delay(input);
    ending.abort();
    await Promise.all([space, sweeper, compactor]);
  });

  test(`row 26: on etcd ${line}, NOSPACE loses no result, and all goes on when there is room`, async () => {
    await using server = await startEtcd({ line, quotaBytes: 32 * MIB });
    const held = defineHeldTask("held");
    await using store = await openUngrouped(server.url);
    await using app = await createApp({ store, tasks: [held.task] });
    const handle = await held.task.delay();
    await app.createWorker().start();
    await vi.waitUntil(() => held.running() === 1);

    // Somebody else fills the etcd, faster than anyone could watch it.
    await using foreign = await openEtcdStore({ ...optionsOf(server.url), operationMs: 2_000 });
    const value = Buffer.alloc(MIB);
    const keys: string[] = [];
    const wrote = (n: number) => {
      keys.push(`foreign/${n}`);
      return foreign.commit([{ guards: [], writes: [put(`foreign/${n}`, value)] }]);
    };
    expect(await untilRefused(wrote)).toBe("STORE_FULL");
    const refused = await held.task.delay().catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: expect.stringMatching(/^STORE_(NEARLY_)?FULL$/),
    });

    held.calls[0]?.end.resolve("kept");
    const early = await handle.result({ timeout: "3s" }).catch((error: unknown) => error);
    expect(early).toMatchObject({ code: "WAIT_TIMEOUT" });
    const [status] = await foreign.status();
    expect(status).toMatchObject({ alarms: ["NOSPACE"] });

    await freeSpace(server, foreign, keys);
    expect(await handle.result({ timeout: "20s" })).toBe("kept");
    const again = await untilAccepted(() => held.task.delay());
    await vi.waitUntil(() => held.running() === 1, { timeout: 20_000 });
    held.calls.at(-1)?.end.resolve("again");
    expect(await again.result({ timeout: "20s" })).toBe("again");
  });
}

/**
 * Versions before 3.5.33 do not count what is nested in a transaction, which is how grouping works.
 */
async function openUngrouped(url: string): Promise<Store> {
  const driver = createNamespacedStore(await openEtcdStore(optionsOf(url)), "etask/");
  return createResolvingStore(driver, { clock: systemClock, random: systemRandom });
}

/** What the documentation tells an operator to do. */
async function freeSpace(server: EtcdServer, store: Store, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.commit([{ guards: [], writes: [del(key)] }]);
  const { revision } = await store.range({ start: "foreign/", end: "foreign0" });
  await server.ctl("compact", "--physical", String(revision));
  await server.ctl("defrag");
  await server.ctl("alarm", "disarm");
}

/** The leader looks every few seconds whether there is room again. */
async function untilAccepted<T>(act: () => Promise<T>): Promise<T> {
  const open = nextEvent("etask:store:space", ({ accepting }) => accepting);
  try {
    return await act();
  } catch (error) {
    expect(error).toMatchObject({ code: "STORE_NEARLY_FULL" });
    await open;
    return await act();
  }
}
