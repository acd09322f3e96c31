import { EventEmitter } from "node:events";
import type { WriteStream } from "node:tty";
import type { TaskChange, TaskState, TaskView } from "etask";
import { expect, test } from "vitest";
import { FleetState } from "../../examples/fleet/fleet-state.ts";
import { Screen } from "../../examples/fleet/screen.ts";
import {
  type Look,
  noteLines,
  panelLines,
  statusNote,
  summaryLines,
  textOf,
} from "../../examples/fleet/view.ts";

const PLAIN: Look = { columns: 80, colours: false, unicode: true };
const ID = "fleet-1/disk.format/n1-sdc";
const START = new Date("2026-01-01T00:00:00Z");

function change(state: TaskState, rest: Partial<TaskView> = {}, id = ID): TaskChange {
  const task: TaskView = {
    id,
    name: id.split("/")[1] ?? "",
    queue: "fleet-1",
    priority: 5,
    when: "always",
    preempt: false,
    unique: undefined,
    throttle: undefined,
    debounce: undefined,
    waitsFor: undefined,
    state,
    attempt: 1,
    generation: 1,
    snoozed: 0,
    attempts: [],
    input: undefined,
    headers: {},
    progress: undefined,
    worker: "id-of-a",
    result: undefined,
    error: undefined,
    reason: undefined,
    cancel: undefined,
    schedule: undefined,
    createdAt: START,
    startedAt: START,
    finishedAt: undefined,
    dueAt: undefined,
    expiresAt: undefined,
    deadlineAt: undefined,
    revision: 1,
    ...rest,
  };
  return { revision: 1, resumeAfter: 1, id, kind: "state", task };
}

function progressed(percent: number, step: string): TaskChange {
  const progress = { percent, detail: { step }, at: START };
  return { ...change("running", { progress }), kind: "progress" };
}

function startedFleet(): FleetState {
  const fleet = new FleetState(4, ["A", "B"], 2);
  fleet.workerStarted("A", "id-of-a");
  fleet.workerStarted("B", "id-of-b");
  return fleet;
}

function panelOf(fleet: FleetState, look = PLAIN): string[] {
  return panelLines(fleet, 12_345, look).map((line) => textOf(line, look));
}

test("fleet: a task's rescue is told once, when another worker runs it", () => {
  const fleet = startedFleet();
  const told = [change("pending", { worker: undefined, attempt: 0 }), change("running")]
    .map((each) => fleet.apply(each, 0))
    .filter((note) => note !== undefined);
  expect(told).toEqual([]);
  fleet.workerKilled("A", [ID]);
  expect(fleet.apply(change("pending"), 0)).toBeUndefined();
  const running = change("running", { worker: "id-of-b", attempt: 2 });
  expect(fleet.apply(running, 0)?.text).toBe("disk.format n1/sdc picked up by B, attempt 2");
  expect(fleet.apply(running, 0)).toBeUndefined();
});

test("fleet: failures that are retried and failures for good are told with their reason", () => {
  const fleet = startedFleet();
  const error = { name: "Error", message: "no power" };
  const dueAt = new Date(START.getTime() + 1_500);
  const later = fleet.apply(change("scheduled", { error, dueAt }), START.getTime());
  expect(later?.text).toBe("disk.format n1/sdc failed, again in 1.5 s: no power");
  const finishedAt = new Date(START.getTime() + 3_000);
  const ended = fleet.apply(change("failed", { error, finishedAt }), 0);
  expect(ended?.text).toBe("disk.format n1/sdc failed: no power");
  expect([fleet.ended, fleet.count("failed"), fleet.jobs.get(ID)?.ends]).toEqual([1, 1, 1]);
});

test("fleet: a worker is half-way when the long work is and its own goes well", () => {
  const fleet = new FleetState(3, ["A"], 3);
  fleet.workerStarted("A", "id-of-a");
  const percents = (...all: number[]) => {
    for (const [index, percent] of all.entries()) {
      const progress = { percent, detail: undefined, at: START };
      const id = `fleet-1/disk.format/n${index}-sdc`;
      fleet.apply({ ...change("running", { progress }, id), kind: "progress" }, 0);
    }
    return fleet.isHalfWay("A");
  };
  expect(percents(20, 20, 20)).toBe(false);
  expect(percents(42, 42, 42)).toBe(true);
  expect(fleet.isHalfWay("B")).toBe(false);
});

test("panel: rows are aligned, show bar, percentage and step, and keep their places", () => {
  const fleet = startedFleet();
  fleet.apply(change("running", {}, "fleet-1/node.reboot/n2"), 0);
  fleet.apply(change("running"), 0);
  fleet.apply(progressed(50, "block 32 of 64"), 0);
  const before = panelOf(fleet);
  const rows = before.filter((line) => line.startsWith(" A"));
  expect(rows[0]).toBe(" A  node.reboot  n2     ░░░░░░░░░░░░░░░░░░░░░░░   0%");
  expect(rows[1]).toBe(" A  disk.format  n1/sdc ████████████░░░░░░░░░░░  50%  block 32 of 64");
  fleet.apply(change("succeeded", { finishedAt: START }, "fleet-1/node.reboot/n2"), 0);
  const after = panelOf(fleet);
  expect(after).toHaveLength(before.length);
  expect(after.indexOf(rows[1] ?? "")).toBe(before.indexOf(rows[1] ?? ""));
});

test("panel: it says which worker was killed with what, and what runs again", () => {
  const fleet = startedFleet();
  fleet.apply(change("running"), 0);
  fleet.workerKilled("A", [ID]);
  expect(panelOf(fleet).join("\n")).toMatch(
    / A {2}disk\.format .*its worker was killed\n A {2}kil/,
  );
  fleet.apply(change("running", { worker: "id-of-b", attempt: 2 }), 0);
  fleet.apply({ ...progressed(3, "block 2"), kind: "progress" }, 0);
  expect(panelOf(fleet).filter((line) => line === " A  killed")).toHaveLength(2);
});

test.each([10, 40, 80, 200])("panel: no line is wider than a terminal of %i columns", (columns) => {
  const fleet = startedFleet();
  fleet.apply(change("running"), 0);
  fleet.apply(progressed(99, "a step with a very long text that says more than there is room"), 0);
  const widths = panelOf(fleet, { ...PLAIN, columns }).map((line) => [...line].length);
  expect(Math.max(...widths)).toBeLessThanOrEqual(columns);
});

test("panel: without Unicode it is ASCII, without colours it has no escapes", () => {
  const fleet = startedFleet();
  fleet.apply(change("running"), 0);
  const text = panelOf(fleet, { ...PLAIN, unicode: false }).join("\n");
  expect(text).toMatch(/^[ -~\n]*$/);
});

test("notes: they begin with the time and are wrapped between words", () => {
  const note = { kind: "plain", text: "one two three four five six seven" } as const;
  const lines = noteLines(1_250, note, { ...PLAIN, columns: 30 });
  expect(lines.map((line) => textOf(line, PLAIN))).toEqual([
    "  1.3 s  one two three four",
    "         five six seven",
  ]);
});

test("status: one line counts the states that there are", () => {
  const fleet = startedFleet();
  fleet.apply(change("running"), 0);
  fleet.apply(change("succeeded", { finishedAt: START }, "fleet-1/node.reboot/n2"), 0);
  expect(statusNote(fleet).text).toBe("1 of 4 done: 1 running, 1 succeeded");
});

test("summary: a line for each kind and a sum, in 80 columns", () => {
  const fleet = startedFleet();
  const finishedAt = new Date(START.getTime() + 2_000);
  fleet.apply(change("succeeded", { finishedAt, attempt: 3 }), 0);
  fleet.apply(change("failed", { finishedAt }, "fleet-1/disk.scrub/n3-sdb"), 0);
  const lines = summaryLines(fleet).map((line) => textOf(line, PLAIN));
  expect(lines.map((line) => line.split(/\s+/).join(" ").trim())).toEqual([
    "tasks succeeded failed attempts rescued mean time",
    "disk.format 1 1 0 3 0 2.00 s",
    "disk.scrub 1 0 1 1 0 2.00 s",
    "all 2 1 1 4 0 2.00 s",
  ]);
  expect(lines.map(({ length }) => length)).toEqual([80, 80, 80, 80]);
});

/** A terminal that keeps what is written to it. */
function fakeTerminal(isTTY: boolean) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  const out = Object.assign(new EventEmitter(), { isTTY, columns: 80, rows: 6, write });
  return { written, out: out as unknown as WriteStream };
}

const LINE = (text: string) => [{ text }];

test("screen: on a terminal the panel is drawn over itself and the log scrolls above it", () => {
  const { out, written } = fakeTerminal(true);
  const screen = new Screen(out, { NO_COLOR: "1" });
  screen.draw([LINE("p1"), LINE("p2"), LINE("p3")]);
  screen.log(LINE("said"));
  expect(written).toHaveLength(2);
  screen.draw([LINE("q1"), LINE("q2"), LINE("q3")]);
  expect(written[2]).toContain("\r\x1b[2Asaid\x1b[K\nq1\x1b[K\nq2\x1b[K\nq3\x1b[K\x1b[J");
  screen.close();
  expect(written.at(-1)).toBe("\r\x1b[2A\x1b[J\x1b[?25h");
});

test("screen: a panel that is higher than the terminal is cut, so that nothing scrolls", () => {
  const { out, written } = fakeTerminal(true);
  const screen = new Screen(out, { NO_COLOR: "1" });
  screen.draw(Array.from({ length: 20 }, (_, index) => LINE(`p${index}`)));
  expect(written.at(-1)).toContain("p4");
  expect(written.at(-1)).not.toContain("p5");
});

test("screen: without a terminal only lines are written, at once", () => {
  const { out, written } = fakeTerminal(false);
  const screen = new Screen(out, {});
  screen.draw([LINE("panel")]);
  screen.log([{ text: "said", style: "red" }]);
  screen.close();
  expect(written).toEqual(["said\n"]);
});
