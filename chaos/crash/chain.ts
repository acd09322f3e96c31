/** What the chains of `writer.ts` look like, and what must be true of them after a crash. */
import { openEmbeddedStore } from "../../src/store/embedded/index.ts";
import { prefixRange } from "../../src/store/range.ts";
import type { Store } from "../../src/store/store.ts";
import { compareStore } from "../oracle/remains.ts";
import { Recorder } from "../recorder.ts";

/** Chains of each writer; each has one commit under way at a time. */
export const CHAINS = 4;

/** So many numbers of a chain stay. */
export const KEPT = 8;

const READ_MS_MAX = 30_000;

/** The key that holds a chain's last number. */
export function lastKey(chain: string): string {
  return `last/${chain}`;
}

/** The two keys that hold a number. */
export function pairKeys(chain: string, number: number): readonly [string, string] {
  const digits = String(number).padStart(8, "0");
  return [`pair/${chain}/${digits}/a`, `pair/${chain}/${digits}/b`];
}

/** Values of many sizes, also some that fill pages of their own. */
export function textOf(chain: string, number: number): string {
  const length = number % 20 === 0 ? 30_000 : (number * 37) % 2_000;
  return `${chain}#${number}${"x".repeat(length)}`;
}

/** The last number of each chain, out of the lines that a writer has said. */
export function saidIn(lines: readonly string[], said = new Map<string, number>()) {
  for (const line of lines) {
    const [chain = "", number = ""] = line.split(" ");
    if (number !== "") said.set(chain, Math.max(said.get(chain) ?? 0, Number(number)));
  }
  return said;
}

/**
 * Opens the store and says what is wrong with it, given what writers were told. What is found there
 * is noted in `said`: it was on disk, and must be there the next time.
 */
export async function examine(directory: string, said: Map<string, number>): Promise<string[]> {
  const store = await openEmbeddedStore({ directory, inline: true });
  try {
    const wrong: string[] = [];
    for (const [chain, number] of said) {
      const last = await lastOf(store, chain);
      wrong.push(...(await examineChain(store, chain, number, last)));
      said.set(chain, last);
    }
    return [...wrong, ...(await examineHistory(store))];
  } finally {
    await store.close();
  }
}

async function lastOf(store: Store, chain: string): Promise<number> {
  const entry = await store.get(lastKey(chain));
  return entry ? Number(Buffer.from(entry.value).toString()) : 0;
}

async function examineChain(
  store: Store,
  chain: string,
  said: number,
  last: number,
): Promise<string[]> {
  // One more may be there: its commit was under way.
  if (last < said || last > said + 1) return [`${chain} ends at ${last}, and said ${said}`];
  const { entries } = await store.range(prefixRange(`pair/${chain}/`));
  const first = Math.max(1, last - KEPT + 1);
  const numbers = Array.from({ length: last === 0 ? 0 : last - first + 1 }, (_, n) => first + n);
  const wanted = numbers.flatMap((number) =>
    pairKeys(chain, number).map((key) => [key, textOf(chain, number)] as const),
  );
  const found = entries.map(({ key, value }) => [key, Buffer.from(value).toString()] as const);
  const same = JSON.stringify(found) === JSON.stringify(wanted);
  return same ? [] : [`${chain} is torn: it holds ${found.map(([key]) => key).join(", ")}`];
}

/** Whether the log tells the same as the entries. */
async function examineHistory(store: Store): Promise<string[]> {
  const recorder = new Recorder(store);
  const kept = await recorder.caughtUp(READ_MS_MAX);
  await recorder.stop();
  if (!kept) return [`the log cannot be read: ${recorder.failure ?? "it does not end"}`];
  const { differences } = await compareStore(store, recorder.history);
  return differences.map(({ key, what }) => `${key}: ${what}`);
}
