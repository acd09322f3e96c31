import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import {
  decodeEntry,
  decodeHead,
  decodeLog,
  encodeEntry,
  encodeLog,
  logKey,
  logRevision,
  logTime,
} from "./records.ts";

const revision = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const bytes = fc.uint8Array({ maxLength: 40 });
const key = fc.stringMatching(/^[ -~]{1,40}$/);
const lease = fc.option(fc.stringMatching(/^[0-9a-f]{1,16}$/), { nil: undefined });
const plain = { noNullPrototype: true };
const head = fc.record(
  { createRevision: revision, modRevision: revision, version: revision, lease },
  plain,
);

describe("records", () => {
  test("an entry comes back as it was", () => {
    fc.assert(
      fc.property(key, head, bytes, (key, head, value) => {
        const record = encodeEntry(head, value);
        assert.deepEqual(decodeHead(record), head);
        const { lease, ...rest } = head;
        const expected = { key, value, ...rest, ...(lease === undefined ? {} : { lease }) };
        assert.deepEqual(decodeEntry(key, record), expected);
        // From another thread it is no buffer any more.
        assert.deepEqual(decodeEntry(key, new Uint8Array(record)), expected);
      }),
    );
  });

  test("changes come back in order, as they were", () => {
    const entry = fc.option(fc.uint8Array({ minLength: 25, maxLength: 60 }), { nil: undefined });
    const change = fc.record({ key, after: entry, before: entry }, plain);
    fc.assert(
      fc.property(fc.nat(), fc.array(change, { maxLength: 5 }), (time, changes) => {
        const record = encodeLog(time, changes);
        assert.equal(logTime(record), time);
        const decoded = [...decodeLog(record)].map(({ key, after, before }) => ({
          ...{ key, after: after && new Uint8Array(after) },
          before: before && new Uint8Array(before),
        }));
        assert.deepEqual(decoded, changes);
      }),
    );
  });

  test("log keys sort as their revisions and parts do", () => {
    const part = fc.nat();
    fc.assert(
      fc.property(revision, part, revision, part, (one, first, other, second) => {
        const order = Math.sign(one - other) || Math.sign(first - second);
        assert.equal(Buffer.compare(logKey(one, first), logKey(other, second)), order);
        assert.equal(logRevision(logKey(one, first)), one);
      }),
    );
  });
});
