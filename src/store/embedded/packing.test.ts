import fc from "fast-check";
import { expect, test } from "vitest";
import { packParts, unpackParts } from "./packing.ts";

const key = fc.stringMatching(/^[!-~]{1,20}$/);
const revision = fc.maxSafeNat();
const guard = fc.oneof(
  fc.record({ key, is: fc.constantFrom("absent" as const, "present" as const) }),
  fc.record({ key, is: fc.constant("unchanged" as const), modRevision: revision }),
  fc.record({ key, is: fc.constant("created" as const), createRevision: revision }),
);
const value = fc.uint8Array({ maxLength: 50 });
const write = fc.oneof(
  fc.record({ op: fc.constant("delete" as const), key }),
  fc.record({ op: fc.constant("put" as const), key, value }),
  fc.record({ op: fc.constant("put" as const), key, value, lease: key }),
);
const part = fc.record({
  guards: fc.array(guard, { maxLength: 4 }),
  writes: fc.array(write, { maxLength: 4 }),
  otherwise: fc.array(key, { maxLength: 3 }),
});

test("packing: parts come out of a clone as they went in", () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const packed = packParts(parts);
      const clone = structuredClone(packed, { transfer: [packed.values.buffer] });
      expect(unpackParts(clone)).toEqual(parts);
    }),
  );
});
