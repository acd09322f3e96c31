import { expect, test } from "vitest";
import { handKey } from "../task/keyspace.ts";
import { Hands } from "./hands.ts";

const keysOf = (parts: readonly { writes: readonly { key: string }[] }[]) =>
  parts.flatMap(({ writes }) => writes.map(({ key }) => key));

test("hands: batches are numbered, each once", () => {
  const hands = new Hands("w");
  expect([hands.begin(), hands.begin(), hands.begin()]).toEqual([1, 2, 3]);
});

test("hands: the entry of a batch of which nothing was taken goes at once", () => {
  const hands = new Hands("w");
  expect(keysOf(hands.taken(7, 0))).toEqual([handKey("w", 7)]);
});

test("hands: the last outcome takes the entry with it", () => {
  const hands = new Hands("w");
  hands.taken(1, 2);
  expect(hands.ending(1)).toEqual([]);
  expect(hands.ended(1, true)).toEqual([]);
  expect(hands.ending(1).map(({ key }) => key)).toEqual([handKey("w", 1)]);
  expect(hands.ended(1, true)).toEqual([]);
});

test("hands: when the last outcomes are under way together, the entry goes after both", () => {
  const hands = new Hands("w");
  hands.taken(1, 2);
  expect([hands.ending(1), hands.ending(1)]).toEqual([[], []]);
  expect(hands.ended(1, true)).toEqual([]);
  expect(keysOf(hands.ended(1, true))).toEqual([handKey("w", 1)]);
});

test("hands: the entry does not stay behind when the last outcome was refused", () => {
  const hands = new Hands("w");
  hands.taken(1, 1);
  hands.ending(1);
  expect(keysOf(hands.ended(1, false))).toEqual([handKey("w", 1)]);
});
