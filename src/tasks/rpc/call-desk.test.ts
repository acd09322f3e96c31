import { EventEmitter } from "node:events";
import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { createVirtualClock } from "../../testing/virtual-clock.ts";
import { CallDesk } from "./call-desk.ts";
import type { CallStream } from "./outbox.ts";
import { type CallEvent, CODE_TRAILER } from "./protocol.ts";

/** A stream whose other side takes everything, and what it was told. */
function createStream(fence: number) {
  const told: string[] = [];
  const task = { task: "t", attempt: 1, method: "x", input: Buffer.alloc(0), headers: {} };
  const emitter = new EventEmitter();
  emitter.on("error", (error: ServiceError) => {
    told.push(String(error.metadata.get(CODE_TRAILER)[0]));
  });
  const stream = Object.assign(emitter, {
    writableNeedDrain: false,
    cancelled: false,
    request: { ...task, protocol: 1, incarnation: "", fence },
    write: ({ event }: CallEvent) => told.push(event) > 0,
    end: () => void told.push("end"),
  });
  return { stream: stream as unknown as CallStream, told };
}

function createDesk() {
  const clock = createVirtualClock();
  const ends: (() => void)[] = [];
  const x = () => new Promise<void>((resolve) => ends.push(resolve));
  const desk = new CallDesk({ methods: new Map([["x", x]]), callsMax: 10, clock });
  desk.open = true;
  const admit = (fence: number) => {
    const { stream, told } = createStream(fence);
    desk.admit(stream);
    return told;
  };
  return { clock, desk, ends, admit };
}

test("desk: a handler that is deaf keeps its task; the newer attempt is refused in time", async () => {
  const { clock, desk, ends, admit } = createDesk();
  const older = admit(1);
  const newer = admit(2);
  await clock.settle();
  expect([older, newer]).toEqual([["accepted", "ATTEMPT_STALE"], ["accepted"]]);
  await clock.advance(29_000);
  expect(newer).toEqual(["accepted"]);
  await clock.advance(2_000);
  expect(newer).toEqual(["accepted", "AGENT_BUSY"]);
  expect([desk.running, ends.length]).toEqual([1, 1]);
  const newest = admit(3);
  ends[0]?.();
  await clock.settle();
  ends[1]?.();
  await clock.settle();
  expect(newest).toEqual(["accepted", "result", "end"]);
  expect(desk.running).toBe(0);
});

test("desk: it is idle when no call runs or waits", async () => {
  const { clock, desk, ends, admit } = createDesk();
  let idle = false;
  await desk.idle();
  admit(1);
  admit(2);
  desk.idle().then(() => {
    idle = true;
  });
  ends[0]?.();
  await clock.settle();
  expect(idle).toBe(false);
  ends[1]?.();
  await clock.settle();
  expect(idle).toBe(true);
});

test("desk: closed, it refuses new calls and lets go on what runs", async () => {
  const { clock, desk, ends, admit } = createDesk();
  const call = admit(1);
  desk.open = false;
  expect(admit(2)).toEqual(["AGENT_GONE"]);
  ends[0]?.();
  await clock.settle();
  expect(call).toEqual(["accepted", "result", "end"]);
});

test("desk: told to stop, a handler that throws says that the agent is gone", async () => {
  const clock = createVirtualClock();
  const x = (_input: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  const desk = new CallDesk({ methods: new Map([["x", x]]), callsMax: 10, clock });
  desk.open = true;
  const { stream, told } = createStream(1);
  desk.admit(stream);
  desk.abortAll("stopping");
  await desk.idle();
  expect(told).toEqual(["accepted", "AGENT_GONE"]);
});
