import { expect, test } from "vitest";
import { TurnByKey } from "./turn-by-key.ts";

test("turn by key: one key's acts go one after the other, other keys' beside them", async () => {
  const turns = new TurnByKey();
  const seen: string[] = [];
  const gates = new Map<string, () => void>();
  const act = (name: string) => () =>
    new Promise<void>((resolve) => {
      seen.push(name);
      gates.set(name, resolve);
    });
  const first = turns.pass("a", act("a1"));
  const second = turns.pass("a", act("a2"));
  const other = turns.pass("b", act("b1"));
  await Promise.resolve();
  expect(seen).toEqual(["a1", "b1"]);
  gates.get("a1")?.();
  await first;
  expect(seen).toEqual(["a1", "b1", "a2"]);
  gates.get("a2")?.();
  gates.get("b1")?.();
  await Promise.all([second, other]);
});

test("turn by key: an act that fails gives its turn to the next one", async () => {
  const turns = new TurnByKey();
  const failing = turns.pass("a", () => Promise.reject(new Error("no")));
  const next = turns.pass("a", () => Promise.resolve("yes"));
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("yes");
});
