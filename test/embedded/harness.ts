import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import type { ClockedHarness } from "../support/store-harness.ts";

/** A directory that is not there yet, below one that is removed in the end. */
export async function makeDirectory(): Promise<AsyncDisposable & { readonly directory: string }> {
  const parent = await mkdtemp(join(tmpdir(), "etask-embedded-"));
  return {
    directory: join(parent, "store"),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }),
  };
}

/** A new embedded store: inline on a virtual clock, or with its thread on the real one. */
export async function openEmbeddedHarness(mode: "inline" | "thread"): Promise<ClockedHarness> {
  const place = await makeDirectory();
  const { directory } = place;
  const virtual = createVirtualClock();
  const opened: EmbeddedStore[] = [];
  const another = async () => {
    const store = await openEmbeddedStore(
      mode === "inline" ? { directory, inline: true, clock: virtual } : { directory },
    );
    opened.push(store);
    return store;
  };
  const store = await another();
  return {
    store,
    clock: mode === "inline" ? virtual : systemClock,
    namespaceBytes: 0,
    elapse: (ms) => (mode === "inline" ? virtual.advance(ms) : systemClock.sleep(ms)),
    compact: (revision) => store.compact(revision),
    another,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(opened.map((each) => each.close()));
      await place[Symbol.asyncDispose]();
    },
  };
}
