import { expect, test } from "vitest";
import type { Entry } from "../../store/store.ts";
import { encodeRecord } from "../../task/records.ts";
import { beatFinding } from "./beat.ts";
import { spaceFindings } from "./space.ts";

const NOW = 1_000_000;

function entry(record: object): Entry {
  const revisions = { createRevision: 1, modRevision: 1, version: 1 };
  return { key: "k", value: encodeRecord(record), ...revisions };
}

const leader = entry({ id: "a", host: "h1", pid: 7, at: NOW - 99_000 });
const beat = (at: number, by = "a") => entry({ at, leader: by });

const CASES: readonly (readonly [string, Entry | undefined, Entry | undefined, RegExp])[] = [
  ["without a leader nothing goes on", undefined, beat(NOW), /^warning: nobody keeps time/],
  ["a leader that shows itself is fine", leader, beat(NOW - 9_000), /^ok: h1 \(process 7\) leads$/],
  ["a new leader has shown nothing yet", leader, undefined, /^ok/],
  ["what an earlier leader showed says nothing", leader, beat(NOW - 90_000, "b"), /^ok/],
  ["a heartbeat of the future is skew", leader, beat(NOW + 5_000), /^warning: .*ahead.* 5\.0 s$/],
  [
    "an old heartbeat is skew or a hang",
    leader,
    beat(NOW - 60_000),
    /^warning: .*60\.0 s ago last/,
  ],
  ["a damaged record is no obstacle", entry([]), beat(NOW), /^ok: somebody/],
];

test.each(CASES)("beat: %s", (_what, leads, heartbeat, says) => {
  const { level, message } = beatFinding(leads, heartbeat, NOW);
  expect(`${level}: ${message}`).toMatch(says);
});

const MIB = 1024 ** 2;
const usage = (usedBytes: number) => ({ usedBytes, fileBytes: 90 * MIB, quotaBytes: 100 * MIB });

test("space: it says how full the store is, and when new tasks are refused", () => {
  const said = (share: number, closed?: Entry) =>
    spaceFindings(usage(share * MIB), closed).map(({ level, message }) => `${level}: ${message}`);
  expect(said(10)).toEqual(["ok: 10.0 MiB of 100.0 MiB in use"]);
  expect(said(60)).toEqual(["warning: 60.0 MiB of 100.0 MiB in use"]);
  expect(said(75, entry({}))).toEqual([
    "error: nearly full: new tasks are refused (75.0 MiB of 100.0 MiB in use)",
  ]);
  expect(spaceFindings(undefined, undefined)).toEqual([]);
  expect(spaceFindings(undefined, entry({}))[0]?.level).toBe("error");
});
