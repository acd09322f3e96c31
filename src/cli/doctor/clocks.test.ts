import { expect, test } from "vitest";
import type { LiveWorker } from "../../broker/worker-view.ts";
import { clockFindings } from "./clocks.ts";

const NOW = Date.UTC(2030, 0, 1);

function worker(host: string, revision: number, startedAt: number): LiveWorker {
  const facts = { pid: 1, queues: [], kinds: [], concurrency: 1, version: "0.1.0" };
  return { ...facts, id: `${host}-${revision}`, host, revision, startedAt };
}

function messages(workers: readonly LiveWorker[], takenAt?: number): string[] {
  const running = workers.slice(0, takenAt === undefined ? 0 : 1).map(({ id }) => ({
    ...{ id: "task", worker: id, queue: "default", attempt: 1 },
    takenAt: takenAt === undefined ? undefined : new Date(takenAt),
  }));
  return clockFindings(workers, running, NOW).map(({ level, message }) => `${level}: ${message}`);
}

test("clocks: times in the order of their revisions prove nothing", () => {
  const workers = [worker("a", 1, NOW - 9_000), worker("b", 2, NOW - 5_000), worker("a", 3, NOW)];
  expect(messages(workers)).toEqual([
    "ok: no skew to be seen between this machine and 2 hosts with live workers",
  ]);
});

test("clocks: a time in the future proves that its writer's clock is ahead", () => {
  expect(messages([worker("a", 1, NOW + 4_200)])).toEqual([
    "warning: the clock of a is ahead of this machine's by at least 4.2 s",
  ]);
  expect(messages([worker("a", 1, NOW - 60_000)], NOW + 2_000)).toEqual([
    "warning: the clock of a is ahead of this machine's by at least 2.0 s",
  ]);
  expect(messages([worker("a", 1, NOW + 900)])[0]).toMatch(/^ok/);
});

test("clocks: a later registration with an earlier time proves skew beyond delays", () => {
  const late = (byMs: number) => [
    worker("a", 1, NOW - 100_000),
    worker("b", 2, NOW - 100_000 - byMs),
  ];
  expect(messages(late(20_000))[0]).toMatch(/^ok/);
  expect(messages(late(50_000))).toEqual([
    "warning: clock skew between a and b of at least 30.0 s: b registered later, but with an " +
      "earlier time",
  ]);
});

test("clocks: a host whose clock was set back is not compared with itself", () => {
  const workers = [worker("a", 1, NOW - 1_000), worker("a", 2, NOW - 900_000)];
  expect(messages(workers)[0]).toMatch(/^ok/);
});
