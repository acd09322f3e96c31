import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { keyUnchanged, put } from "../../src/store/part.ts";
import { prefixRange } from "../../src/store/range.ts";

/**
 * What the tests let other processes do with a store: `program.ts <act> <directory> [arguments]`.
 * Lines go out at once, so that what was said before a kill was said.
 */
const acts: Readonly<Record<string, (store: EmbeddedStore, args: string[]) => Promise<void>>> = {
  /** Adds 1 to a number, guarded, so many times. */
  increment: async (store, [times = "1"]) => {
    for (let done = 0; done < Number(times); ) {
      const entry = await store.get("number");
      const value = Buffer.from(
        String(Number(entry ? Buffer.from(entry.value).toString() : 0) + 1),
      );
      const guards = [keyUnchanged("number", entry?.modRevision ?? 0)];
      const [result] = await store.commit([{ guards, writes: [put("number", value)] }]);
      if (result?.applied === true) done += 1;
    }
    say("done");
  },
  /** Writes numbered keys of many sizes from several callers until it is killed; says each one. */
  write: async (store, [name = "w"]) => {
    let next = 0;
    const writer = async () => {
      for (;;) {
        const number = next++;
        const value = Buffer.alloc(
          number % 50 === 0 ? 100_000 : (number * 37) % 3_000,
          number % 256,
        );
        const key = `${name}/${number}`;
        const [result] = await store.commit([{ guards: [], writes: [put(key, value)] }]);
        say(`${key} ${result?.revision} ${value.byteLength}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, writer));
  },
  /** Leaves amid its writes, as a program does that calls `process.exit`. */
  exit: async (store, [name = "0"]) => {
    const value = Buffer.alloc(2_000);
    let next = 0;
    const writer = async () => {
      for (;;) await store.commit([{ guards: [], writes: [put(`${name}/${next++}`, value)] }]);
    };
    await store.commit([{ guards: [], writes: [put(name, value)] }]);
    for (let caller = 0; caller < 200; caller++) writer().catch(() => {});
    await systemClock.sleep(Number(name));
    process.exit(0);
  },
  /** Takes a lease, puts a key on it, and goes on without keeping it alive. */
  lease: async (store, [ttlMs = "1000"]) => {
    const { id } = await store.grant(Number(ttlMs));
    await store.commit([{ guards: [], writes: [put("leased", Buffer.from("1"), id)] }]);
    say("leased");
    await systemClock.sleep(600_000);
  },
  /** Commits once more without waiting for it, and then keeps its main thread busy. */
  block: async (store, [busyMs = "1000"]) => {
    const { id } = await store.grant(1_000);
    await store.commit([{ guards: [], writes: [put("leased", Buffer.from("1"), id)] }]);
    const pending = store.commit([{ guards: [], writes: [put("pending", Buffer.from("1"))] }]);
    await Promise.resolve();
    say("blocked");
    const end = systemClock.monotonic() + Number(busyMs);
    while (systemClock.monotonic() < end);
    say("free");
    await pending;
  },
  /** Watches, and says what it spent while nothing happened. */
  idle: async (store, [ms = "1000"]) => {
    const { revision } = await store.range(prefixRange(""), { limit: 1 });
    const watches = Array.from({ length: 30 }, async (_, index) => {
      for await (const _batch of store.watch(prefixRange(`${index}/`), { after: revision })) break;
    });
    Promise.allSettled(watches);
    await systemClock.sleep(1_500);
    const before = process.cpuUsage();
    await systemClock.sleep(Number(ms));
    const { user, system } = process.cpuUsage(before);
    say(`used ${(user + system) / 1_000} of ${ms}`);
  },
  /** Leaves without closing, with nothing left to do. */
  leave: async (store) => {
    await store.commit([{ guards: [], writes: [put("left", Buffer.from("1"))] }]);
    say("leaving");
  },
};

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const [act = "", directory = "", ...args] = process.argv.slice(2);
const run = acts[act];
if (run === undefined) throw new Error(`There is no act ${act}.`);
const store = await openEmbeddedStore({ directory });
await run(store, args);
if (act !== "leave") await store.close();
