import { expect, test, vi } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { serveAgent } from "../../src/tasks/rpc/index.ts";
import { jsonLines, makePlace, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

test("agents: without any, a remark says so", async () => {
  await using place = await makePlace();
  const ended = await place.etask("agents", "list");
  expect(ended).toMatchObject({ code: 0, stdout: "", stderr: "No live agents." });
});

test("agents: list shows who serves what where, and what it runs", async () => {
  await using place = await makePlace();
  await using store = await openStore(place.store);
  const methods = { "disk.wipe": () => 1, "disk.format": () => 1 };
  await using agent = await serveAgent({ store, name: "node-1", labels: { zone: "a" }, methods });
  const text = await place.etask("agents", "list");
  expect(text).toMatchObject({ code: 0, stderr: "" });
  const [titles = "", row = ""] = text.stdout.split("\n");
  expect(titles.split(/ +/)).toEqual([
    "NAME",
    "ADDRESS",
    "LABELS",
    "VERSION",
    "METHODS",
    "RUNNING",
    "SINCE",
    "STATE",
  ]);
  expect(row).toMatch(/^node-1 +127\.0\.0\.1:\d+ +zone=a +\d\S+ +disk\.wipe,disk\.format +0 +\d/);
  const json = await place.etask("agents", "list", "--json");
  expect(jsonLines(json.stdout)).toMatchObject([
    {
      name: "node-1",
      incarnation: agent.incarnation,
      address: agent.address,
      running: 0,
      leaving: false,
    },
  ]);
});
