import { expect, test } from "vitest";
import { FenceBook } from "./fence-book.ts";

test("fence book: remembers the highest fence of each task", () => {
  const book = new FenceBook(10);
  expect(book.highest("a")).toBe(0);
  book.note("a", 5);
  book.note("a", 3);
  book.note("b", 7);
  expect([book.highest("a"), book.highest("b")]).toEqual([5, 7]);
});

test("fence book: forgets the task that was not seen longest", () => {
  const book = new FenceBook(2);
  book.note("a", 1);
  book.note("b", 2);
  book.note("a", 3);
  book.note("c", 4);
  expect(["a", "b", "c"].map((task) => book.highest(task))).toEqual([3, 0, 4]);
});
