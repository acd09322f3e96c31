import { expect, test } from "vitest";
import { isFinal, mayFollow, TASK_STATES, TRANSITIONS } from "./state.ts";

test("state: the table names every state, and leads only to states that there are", () => {
  expect(Object.keys(TRANSITIONS)).toEqual([...TASK_STATES]);
  for (const next of Object.values(TRANSITIONS).flat()) expect(TASK_STATES).toContain(next);
});

test("state: exactly the four ends are final, and from them a task can only wait anew", () => {
  expect(TASK_STATES.filter(isFinal)).toEqual(["succeeded", "failed", "cancelled", "expired"]);
  for (const end of TASK_STATES.filter(isFinal)) {
    const after = TASK_STATES.filter((next) => mayFollow(end, next));
    expect(after).toEqual(["scheduled", "pending"]);
  }
});

test("state: only what is ready is taken, only what runs succeeds, only what waits expires", () => {
  const before = (next: (typeof TASK_STATES)[number]) =>
    TASK_STATES.filter((state) => mayFollow(state, next));
  expect(before("running")).toEqual(["pending"]);
  expect(before("succeeded")).toEqual(["running"]);
  expect(before("failed")).toEqual(["scheduled", "pending", "running"]);
  expect(before("expired")).toEqual(["scheduled", "pending"]);
});

test("state: every state that is not final leads to an end", () => {
  const reached = new Set(TASK_STATES.filter(isFinal) as readonly string[]);
  for (let round = 0; round < TASK_STATES.length; round += 1) {
    for (const state of TASK_STATES) {
      if (TRANSITIONS[state].some((next) => reached.has(next))) reached.add(state);
    }
  }
  expect(reached.size).toBe(TASK_STATES.length);
});
