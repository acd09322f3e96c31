import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { createVirtualClock } from "../../testing/virtual-clock.ts";
import { put } from "../part.ts";
import type { Answer, Request } from "./requests.ts";
import { Writer } from "./writer.ts";

const done: Answer = { ok: true, result: undefined };

function setup() {
  const clock = createVirtualClock();
  const sent: Request[][] = [];
  const held: boolean[] = [];
  const writer = new Writer(clock, () => ({
    send: (requests) => sent.push([...requests]),
    hold: (awaited) => held.push(awaited),
    close: async () => {},
  }));
  const keepAlive = (lease: string) => writer.request<"keepAlive">({ op: "keepAlive", lease });
  return { clock, sent, held, writer, keepAlive };
}

describe("writer", () => {
  test("requests of one turn are sent together and answered in order", async () => {
    const { clock, sent, held, writer, keepAlive } = setup();
    const requests = [keepAlive("a"), keepAlive("b"), keepAlive("c")];
    await clock.settle();
    assert.deepEqual(
      sent.map((each) => each.length),
      [3],
    );
    writer.settle([done, { ok: false, failure: { code: "LEASE_LOST", lease: "b" } }]);
    await requests[0];
    await assert.rejects(async () => requests[1], { code: "LEASE_LOST", lease: "b" });
    assert.deepEqual(held, [true]);
    writer.settle([done]);
    await requests[2];
    assert.deepEqual(held, [true, false]);
  });

  test("a late answer is unknown, and those after it keep their order", async () => {
    const { clock, writer, keepAlive } = setup();
    const late = assert.rejects(keepAlive("a"), { code: "STORE_UNAVAILABLE", applied: "unknown" });
    await clock.advance(20_000);
    await late;
    const next = keepAlive("b");
    writer.settle([{ ok: false, failure: { code: "LEASE_LOST", lease: "a" } }, done]);
    await next;
    assert.equal(clock.untilNextTimer() !== undefined, true);
    await clock.advance(2_000);
    assert.equal(clock.untilNextTimer(), undefined);
  });

  test("when the loop is lost, what waits is unknown and what comes was not applied", async () => {
    const { clock, writer, keepAlive } = setup();
    const waiting = assert.rejects(keepAlive("a"), {
      code: "STORE_UNAVAILABLE",
      applied: "unknown",
      message: /ended: it broke/,
    });
    await clock.settle();
    writer.lose("it broke");
    await waiting;
    await assert.rejects(keepAlive("b"), { code: "STORE_UNAVAILABLE", applied: "no" });
  });

  test("too many bytes are refused, but one commit always has room", async () => {
    const { writer } = setup();
    const commit = (bytes: number) =>
      writer.request<"commit">({
        op: "commit",
        parts: [{ guards: [], writes: [put("a", new Uint8Array(bytes))] }],
      });
    const first = commit(80_000_000);
    await assert.rejects(commit(1), { code: "STORE_BUSY", applied: "no" });
    writer.settle([{ ok: true, result: [] }]);
    assert.deepEqual(await first, []);
  });
});
