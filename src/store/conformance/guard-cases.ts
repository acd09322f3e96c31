import assert from "node:assert/strict";
import { del, type Guard, keyAbsent, keyCreatedAt, keyPresent, keyUnchanged } from "../part.ts";
import type { Revision, Store } from "../store.ts";
import type { StoreCases, StoreHarness } from "./harness.ts";
import { commitPart, put, revisionOf, textAt, write } from "./support.ts";

/** What happened to the key `k` before a guard on it is judged. */
const histories = {
  "a key that never was": async () => [],
  "a new key": async (store: Store) => [await write(store, put("k", "1"))],
  "a key written twice": async (store: Store) => [
    await write(store, put("k", "1")),
    await write(store, put("k", "2")),
  ],
  "a deleted key": async (store: Store) => {
    const created = await write(store, put("k", "1"));
    return [created, await write(store, del("k"))];
  },
  "a key deleted and made again": async (store: Store) => {
    const created = await write(store, put("k", "1"));
    await write(store, del("k"));
    return [created, await write(store, put("k", "2"))];
  },
} satisfies Record<string, (store: Store) => Promise<Revision[]>>;

type History = keyof typeof histories;
type GuardOf = (revisions: readonly Revision[]) => Guard;

const first: (of: (revision: Revision) => Guard) => GuardOf =
  (of) =>
  ([revision]) =>
    of(revision as Revision);
const last: (of: (revision: Revision) => Guard) => GuardOf = (of) => (revisions) =>
  of(revisions.at(-1) as Revision);
const unchanged = (revision: Revision) => keyUnchanged("k", revision);
const created = (revision: Revision) => keyCreatedAt("k", revision);

// Without the care that `keyUnchanged` takes of 0.
const modifiedAt = (modRevision: Revision): Guard => ({ key: "k", is: "unchanged", modRevision });

const table: readonly [guard: string, history: History, holds: boolean, of: GuardOf][] = [
  ["absent", "a key that never was", true, () => keyAbsent("k")],
  ["absent", "a new key", false, () => keyAbsent("k")],
  ["absent", "a deleted key", true, () => keyAbsent("k")],
  ["absent", "a key deleted and made again", false, () => keyAbsent("k")],
  ["present", "a key that never was", false, () => keyPresent("k")],
  ["present", "a new key", true, () => keyPresent("k")],
  ["present", "a deleted key", false, () => keyPresent("k")],
  ["present", "a key deleted and made again", true, () => keyPresent("k")],
  ["unchanged since 0", "a key that never was", true, () => unchanged(0)],
  ["unchanged since 0", "a new key", false, () => unchanged(0)],
  ["unchanged since a revision", "a key that never was", false, () => unchanged(7)],
  ["modified at revision 0", "a key that never was", false, () => modifiedAt(0)],
  ["modified at revision 0", "a deleted key", false, () => modifiedAt(0)],
  ["unchanged since its write", "a new key", true, last(unchanged)],
  ["unchanged since another revision", "a new key", false, last((at) => unchanged(at + 1))],
  ["unchanged since its last write", "a key written twice", true, last(unchanged)],
  ["unchanged since its first write", "a key written twice", false, first(unchanged)],
  ["unchanged since its write", "a deleted key", false, first(unchanged)],
  ["unchanged since its deletion", "a deleted key", false, last(unchanged)],
  ["unchanged since its new write", "a key deleted and made again", true, last(unchanged)],
  ["unchanged since its old write", "a key deleted and made again", false, first(unchanged)],
  ["created at a revision", "a key that never was", false, () => created(7)],
  ["created at revision 0", "a key that never was", false, () => created(0)],
  ["created at revision 0", "a new key", false, () => created(0)],
  ["created at its creation", "a new key", true, last(created)],
  ["created at its first write", "a key written twice", true, first(created)],
  ["created at its second write", "a key written twice", false, last(created)],
  ["created at its creation", "a deleted key", false, first(created)],
  ["created at its new creation", "a key deleted and made again", true, last(created)],
  ["created at its old creation", "a key deleted and made again", false, first(created)],
];

async function judge({ store }: StoreHarness, history: History, holds: boolean, of: GuardOf) {
  const guard = of(await histories[history](store));
  const before = await revisionOf(store);
  const result = await commitPart(store, { guards: [guard], writes: [put("w", "written")] });
  assert.equal(result.applied, holds);
  assert.equal(result.revision, holds ? before + 1 : before);
  assert.equal(await textAt(store, "w"), holds ? "written" : undefined);
}

/** Every kind of guard on every kind of key. */
export const guardCases: StoreCases = Object.fromEntries(
  table.map(([guard, history, holds, of]) => [
    `guard: "${guard}" ${holds ? "holds" : "does not hold"} for ${history}`,
    (harness: StoreHarness) => judge(harness, history, holds, of),
  ]),
);
