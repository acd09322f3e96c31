import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
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
