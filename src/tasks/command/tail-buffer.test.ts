import fc from "fast-check";
import { expect, test } from "vitest";
import { TailBuffer } from "./tail-buffer.ts";

test("tail: it is the end of all that was pushed, and counts what is not there", () => {
  const pieces = fc.array(fc.string({ unit: "binary-ascii", maxLength: 20 }), { maxLength: 300 });
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 50 }), (texts, bytesMax) => {
      const tail = new TailBuffer(bytesMax);
      for (const text of texts) tail.push(Buffer.from(text));
      const whole = texts.join("");
      expect(tail.text()).toBe(whole.slice(-bytesMax));
      expect(tail.cutBytes).toBe(Math.max(0, whole.length - bytesMax));
    }),
  );
});

test("tail: a character that was cut in two goes as a whole", () => {
  const tail = new TailBuffer(5);
  tail.push(Buffer.from("a😀bcd"));
  expect(tail.text()).toBe("bcd");
});

test("tail: bytes that are no text are shown as such", () => {
  const tail = new TailBuffer(3);
  tail.push(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80]));
  expect(tail.text()).toBe("\ufffd\ufffd\ufffd");
});
