import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordMalformedError } from "../base/errors.ts";
import {
  decodeClaim,
  decodeHand,
  decodeMeta,
  decodeProgress,
  decodeReady,
  decodeSpec,
  decodeState,
  decodeWorker,
} from "./decode.ts";
import { encodeRecord } from "./records.ts";
import { TASK_STATES } from "./state.ts";

const SEQUENCE = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const spec = {
  id: "disk/1",
  name: "disk.format",
  queue: "default",
  priority: 5,
  createdAt: 1,
  sequence: SEQUENCE,
};
const state = { state: "running", attempt: 1, worker: "w", hand: 3, at: 7 };
const worker = {
  host: "h",
  pid: 1,
  queues: ["q"],
  kinds: ["k"],
  concurrency: 3,
  startedAt: 1,
  version: "1",
};
const failure = { name: "Error", message: "no" };

const decoders = {
  spec: decodeSpec,
  ready: decodeReady,
  state: decodeState,
  progress: decodeProgress,
  hand: decodeHand,
  worker: decodeWorker,
  meta: decodeMeta,
  claim: decodeClaim,
};
type Kind = keyof typeof decoders;

const samples: Record<Kind, object> = {
  spec: {
    ...spec,
    input: { device: "sdb" },
    headers: { trace: "1" },
    retry: { attempts: 3, backoff: "constant", delayMs: 1, maxMs: 2 },
    retention: { succeededMs: 1, failedMs: 2 },
    unique: "disk/sdb",
    throttle: { key: "a", until: 3 },
    debounce: { key: "b", latestAt: 4 },
  },
  ready: { id: "a", name: "t", attempt: 0, lost: 1 },
  state: {
    ...state,
    lost: 1,
    takenAt: 1,
    result: [1],
    error: failure,
    queue: "q",
    priority: 9,
    sequence: SEQUENCE,
    dueAt: 1,
    expireAt: 2,
  },
  progress: { percent: 12.5, detail: { disk: 1 }, attempt: 1, at: 3 },
  hand: { queues: { default: ["a", "b"] } },
  worker,
  meta: { schema: 1, createdAt: 5 },
  claim: { id: "a", until: 6 },
};
const kinds = Object.keys(decoders) as Kind[];

const json = fc
  .jsonValue()
  .filter((value) => !JSON.stringify(value).includes("__proto__"))
  .map((value): unknown => JSON.parse(JSON.stringify(value)));

test.each(kinds)("records: a %s comes back as it was written", (kind) => {
  expect(decoders[kind](encodeRecord(samples[kind]))).toMatchObject(samples[kind]);
});

test("records: any spec comes back as it was written, also out of a ready entry", () => {
  const any = fc.record(
    {
      id: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,30}[a-z0-9]$/),
      name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
      queue: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}$/),
      priority: fc.integer({ min: 0, max: 9 }),
      createdAt: fc.nat(),
      sequence: fc.ulid(),
      input: json,
      headers: fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), fc.string({ unit: "binary" })),
    },
    { requiredKeys: ["id", "name", "queue", "priority", "createdAt", "sequence"] },
  );
  fc.assert(
    fc.property(any, fc.nat(), (spec, attempt) => {
      const written = JSON.parse(JSON.stringify(spec));
      expect(decodeSpec(encodeRecord(spec))).toEqual({ v: 1, ...written });
      const ready = decodeReady(encodeRecord({ ...spec, attempt }));
      expect(ready).toMatchObject({ id: spec.id, name: spec.name, attempt, spec: written });
    }),
    { numRuns: 50 },
  );
});

test("records: any state comes back as it was written", () => {
  const any = fc.record(
    {
      state: fc.constantFrom(...TASK_STATES),
      attempt: fc.nat(),
      at: fc.nat(),
      worker: fc.string(),
      hand: fc.nat(),
      result: json,
      error: fc.constant(failure),
    },
    { requiredKeys: ["state", "attempt", "at", "worker"] },
  );
  fc.assert(
    fc.property(any, (state) => {
      const written = JSON.parse(JSON.stringify(state));
      expect(decodeState(encodeRecord(state))).toEqual({ v: 1, ...written });
    }),
  );
});

test.each(kinds)("records: whatever bytes are read as a %s, they are so or malformed", (kind) => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    json.map((value) => Buffer.from(JSON.stringify(value))),
    fc.dictionary(fc.constantFrom(...Object.keys(samples[kind])), json).map((members) => {
      return encodeRecord({ ...samples[kind], ...members });
    }),
  );
  fc.assert(
    fc.property(bytes, (bytes) => {
      try {
        decoders[kind](bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordMalformedError);
      }
    }),
  );
});

test.each(kinds.filter((kind) => kind !== "meta"))("records: a %s of another version", (kind) => {
  const later = Buffer.from(JSON.stringify({ ...samples[kind], v: 2 }));
  expect(() => decoders[kind](later)).toThrow(RecordMalformedError);
});

test("records: members that nobody knows are no harm", () => {
  expect(decodeProgress(encodeRecord({ ...samples.progress, colour: "red" })).percent).toBe(12.5);
});

const malformed: readonly [Kind, string, object][] = [
  ...(["id", "name", "queue", "priority", "createdAt", "sequence"] as const).map(
    (member): [Kind, string, object] => ["spec", `without ${member}`, { ...spec, [member]: null }],
  ),
  ["spec", "whose id is no id", { ...spec, id: "a b" }],
  ["spec", "whose id is too long for a key", { ...spec, id: "a".repeat(2_000) }],
  ["spec", "whose queue is no queue", { ...spec, queue: "a/b" }],
  ["spec", "with a priority of 10", { ...spec, priority: 10 }],
  ["spec", "with half a priority", { ...spec, priority: 4.5 }],
  ["spec", "with a short sequence", { ...spec, sequence: "01ARZ" }],
  ["spec", "without a sequence in its id", { ...spec, sequence: undefined }],
  ["spec", "with a number as header", { ...spec, headers: { a: 1 } }],
  ["spec", "with a list of headers", { ...spec, headers: ["a"] }],
  ["spec", "with a text as retry", { ...spec, retry: "5" }],
  ["spec", "with half a retry", { ...spec, retry: { attempts: 3 } }],
  ["spec", "with a retention that is none", { ...spec, retention: { succeededMs: "1" } }],
  ["spec", "with a unique key that is none", { ...spec, unique: "a b" }],
  ["spec", "with a throttle without end", { ...spec, throttle: { key: "a" } }],
  ["spec", "with a throttle without key", { ...spec, throttle: { until: 1 } }],
  ["spec", "with a text as debounce", { ...spec, debounce: "a" }],
  ["claim", "whose id is no id", { id: "a b" }],
  ["claim", "with a text as until", { id: "a", until: "now" }],
  ["ready", "whose id is no id", { id: "ä", name: "t" }],
  ["ready", "with a text as attempt", { id: "a", name: "t", attempt: "1" }],
  ["ready", "with half a spec", { id: "a", name: "t", createdAt: 1 }],
  ["state", "that there is not", { ...state, state: "paused" }],
  ["state", "that runs nowhere", { ...state, worker: undefined }],
  ["state", "with a number as worker", { ...state, worker: 7 }],
  ["state", "with a text as hand", { ...state, hand: "7" }],
  ["state", "with a text as dueAt", { ...state, dueAt: "now" }],
  ["state", "with a queue that is none", { ...state, queue: "a/b" }],
  ["state", "with a priority of -1", { ...state, priority: -1 }],
  ["state", "with a sequence that is none", { ...state, sequence: "x" }],
  ["state", "with a text as error", { ...state, error: "no" }],
  ["state", "with a nameless error", { ...state, error: { message: "no" } }],
  ["progress", "with a text as percent", { percent: "5", attempt: 1, at: 1 }],
  ["progress", "without attempt", { percent: 5, at: 1 }],
  ["hand", "with a list of ids", { queues: ["a"] }],
  ["hand", "with a number among its ids", { queues: { q: ["a", 1] } }],
  ["worker", "without queues", { ...worker, queues: null }],
  ["worker", "with a text as pid", { ...worker, pid: "1" }],
  ["meta", "without schema", { createdAt: 1 }],
];

test.each(malformed)("records: a %s %s is malformed", (kind, _what, record) => {
  expect(() => decoders[kind](encodeRecord(record))).toThrow(RecordMalformedError);
});

test.each(["null", "[]", "7", '"text"', "{", "", "\u0000"])("records: %j is no record", (text) => {
  for (const kind of kinds) {
    expect(() => decoders[kind](Buffer.from(text))).toThrow(RecordMalformedError);
  }
});
