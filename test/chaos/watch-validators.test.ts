import { describe, expect, test } from "vitest";
import type { SeenEvent } from "../../chaos/actors/journal.ts";
import { validateWatch } from "../../chaos/oracle/watch-validators.ts";
import type { Recorded } from "../../chaos/recorder.ts";

const history: Recorded[] = [
  [1, "p/a"],
  [2, "p/a", "p/b"],
  [3, "other"],
  [4, "p/a"],
].map(([number, ...keys]) => {
  const revision = Number(number);
  const meta = { createRevision: 1, modRevision: revision, version: 1 };
  const events = keys.map(String).map((key) => {
    const entry = { key, value: Buffer.from(`v${revision}`), ...meta };
    return { type: "put" as const, key, modRevision: revision, entry };
  });
  return { revision, events, at: 0, wall: 0 };
});

const seen = (revision: number, name: string): SeenEvent => ({
  ...{ key: `p/${name}`, revision, value: `v${revision}` },
});
const batch = (revision: number, ...events: SeenEvent[]) => ({ revision, events });
const judge = (after: number, ...batches: ReturnType<typeof batch>[]) =>
  validateWatch({ process: "x", after, batches }, "p/", history);

describe("a watch is right", () => {
  test("that shows every change in order, from the first or a later one", () => {
    const [two, four] = [batch(2, seen(2, "a"), seen(2, "b")), batch(4, seen(4, "a"))];
    expect(judge(0, batch(1, seen(1, "a")), two, four)).toEqual([]);
    expect(judge(1, two, batch(3), four)).toEqual([]);
    expect(judge(0, batch(4, seen(1, "a"), ...two.events, ...four.events))).toEqual([]);
  });
});

describe("a watch is wrong", () => {
  test.each([
    ["that leaves a change out", judge(0, batch(2, seen(2, "a"), seen(2, "b"))), "reliable"],
    ["that says that nothing happened", judge(1, batch(2)), "reliable"],
    ["that shows what never happened", judge(1, batch(1, seen(1, "b"))), "reliable"],
    [
      "that tears a revision apart",
      judge(1, batch(2, seen(2, "a")), batch(2, seen(2, "b"))),
      "atomic",
    ],
    ["that shows a change twice", judge(0, batch(1, seen(1, "a"), seen(1, "a"))), "unique"],
    [
      "that begins too early",
      judge(1, batch(2, seen(1, "a"), seen(2, "a"), seen(2, "b"))),
      "ordered",
    ],
    ["that goes back", judge(0, batch(2, seen(2, "a"), seen(2, "b"), seen(1, "a"))), "ordered"],
  ])("%s", (_what, faults, kind) => {
    expect(faults.join("; ")).toContain(`${kind}: `);
  });
});
