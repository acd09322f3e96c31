import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { publish } from "./events.ts";

test("events: a subscriber gets what is published, until it leaves", () => {
  const seen: unknown[] = [];
  const listen = (event: unknown) => seen.push(event);
  const event = { range: "ready/", reason: "compacted" };
  publish("etask:watch:relisted", event);
  subscribe("etask:watch:relisted", listen);
  publish("etask:watch:relisted", event);
  unsubscribe("etask:watch:relisted", listen);
  publish("etask:watch:relisted", event);
  expect(seen).toEqual([event]);
});

test("events: reach who subscribes after others have left and garbage was collected", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const name = "etask:worker:stopped";
  const leave = () => {};
  const seen: unknown[] = [];
  const note = (event: unknown) => seen.push(event);
  for (let round = 0; round < 20; round += 1) {
    subscribe(name, leave);
    unsubscribe(name, leave);
    await systemClock.sleep(0);
    collect();
    subscribe(name, note);
    await systemClock.sleep(0);
    publish(name, { worker: `${round}`, released: 0 });
    unsubscribe(name, note);
  }
  expect(seen).toHaveLength(20);
});
