import { expect, test } from "vitest";
import { GuardBoard } from "./guard-board.ts";

function boards() {
  const main = new GuardBoard();
  return { main, guard: new GuardBoard(main.shared) };
}

test("guard board: a guard that is awake sees what runs, and is not woken", () => {
  const { main, guard } = boards();
  expect(main.setBusy(true)).toBe(false);
  expect(guard.busy).toBe(true);
  expect(main.setBusy(false)).toBe(false);
  expect(guard.busy).toBe(false);
});

test("guard board: a guard that sleeps is woken once", () => {
  const { main, guard } = boards();
  expect(guard.fallAsleep()).toBe(true);
  expect(main.setBusy(true)).toBe(true);
  expect(main.setBusy(false)).toBe(false);
  expect(main.setBusy(true)).toBe(false);
});

test("guard board: a guard does not fall asleep while something runs", () => {
  const { main, guard } = boards();
  main.setBusy(true);
  expect(guard.fallAsleep()).toBe(false);
  main.setBusy(false);
  expect(main.setBusy(true)).toBe(false);
});
