import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function linesOf(chunks: readonly (string | Uint8Array)[], lengthMax = 100): readonly string[] {
  const splitter = new LineSplitter(lengthMax);
  const lines = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)));
  return [...lines, ...splitter.end()];
}

test.each([
  ["nothing", [""], []],
  ["one line", ["a\n"], ["a"]],
  ["a last line without an end", ["a\nb"], ["a", "b"]],
  ["empty lines", ["\n\na\n"], ["", "", "a"]],
  ["lines that are written over", ["1%\r2%\r3%\n"], ["1%", "2%", "3%"]],
  ["an end that comes in two", ["a\r", "\nb\n"], ["a", "b"]],
  ["a return that stands alone at the end of a chunk", ["a\r", "b\n"], ["a", "b"]],
  ["a character that comes in two", [Buffer.from([0xc3]), Buffer.from([0xa4, 10])], ["ä"]],
  ["bytes that are no text", [Buffer.from([0xff, 65, 10])], ["\ufffdA"]],
  ["a character that is not whole", [Buffer.from([65, 0xc3])], ["A\ufffd"]],
])("lines: %s", (_what, chunks, lines) => {
  expect(linesOf(chunks)).toEqual(lines);
});

test("lines: one that is too long comes in pieces, whether it ends or not", () => {
  expect(linesOf(["abcdefg\nh"], 3)).toEqual(["abc", "def", "g", "h"]);
  expect(linesOf(["ab", "cd", "ef"], 3)).toEqual(["abc", "d", "ef"]);
});

test("lines: they do not depend on how the bytes arrive", () => {
  const text = fc
    .array(fc.constantFrom("a", "ä", "😀", "\n", "\r", "\r\n", " "))
    .map((all) => all.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat(40)), (whole, cuts) => {
      const bytes = Buffer.from(whole);
      const at = [...new Set([0, ...cuts, bytes.byteLength])].sort((a, b) => a - b);
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
      expect(linesOf(chunks)).toEqual(linesOf([whole]));
    }),
  );
});
