import { expect, test, vi } from "vitest";
import { put } from "../../src/store/part.ts";
import { startEtcd } from "../support/etcd-server.ts";
import { jsonLines, makePlace, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

test("doctor: a new store is sound, and the code is 0", async () => {
  await using place = await makePlace();
  const { code, stdout, stderr } = await place.etask("doctor");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [first, ...lines] = stdout.split("\n");
  expect(first).toBe(`store ${place.store}`);
  expect(lines.filter((line) => /^\w/.test(line)).map((line) => line.slice(0, 16))).toEqual([
    "ok       disk   ",
    "ok       store  ",
    "ok       schema ",
    "warning  workers",
    "ok       queues ",
    "ok       kinds  ",
    "ok       running",
    "warning  beat   ",
    "ok       clocks ",
    "ok       records",
  ]);
  expect(stdout).toMatch(/a guarded write takes \d+\.\d ms, a read \d+\.\d ms/);
});

test("doctor: an error that needs somebody is code 1, each finding says what to do", async () => {
  await using place = await makePlace();
  await place.within(async (app) => {
    await app.enqueue("x", undefined, { queue: "mail" });
    await app.store.commit([
      { guards: [], writes: [put("task/broken#spec", Buffer.from("not JSON"))] },
    ]);
  });
  const { code, stdout } = await place.etask("doctor", "--json");
  expect(code).toBe(1);
  const findings = jsonLines(stdout);
  expect(findings.filter(({ level }) => level !== "ok")).toEqual([
    {
      ...{ level: "warning", check: "workers", message: "no worker is running" },
      advice: "Start one: etask worker --app FILE",
    },
    {
      ...{
        level: "error",
        check: "queues",
        message: "no live worker takes from: mail (1 waiting)",
      },
      advice: "Start a worker with --queue for each of them.",
    },
    {
      ...{ level: "warning", check: "beat", message: expect.stringContaining("nobody keeps time") },
      advice: "Start a worker, or `etask beat`.",
    },
    {
      ...{ level: "warning", check: "records", advice: expect.any(String) },
      message: "damaged, or not etask's: task/broken#spec (The record is not valid JSON.)",
    },
  ]);
  // What it wrote to see whether it can is gone.
  const left = await place.within((app) => app.store.range({ start: "probe/", end: "probe0" }));
  expect(left.entries).toEqual([]);
});

test("doctor: a layout that is newer is code 3 and a finding", async () => {
  await using place = await makePlace();
  await place.within((app) =>
    app.store.commit([{ guards: [], writes: [put("meta", Buffer.from('{"v":1,"schema":99}'))] }]),
  );
  const { code, stdout, stderr } = await place.etask("doctor", "--json");
  expect({ code, stderr }).toEqual({ code: 3, stderr: "" });
  expect(jsonLines(stdout).at(-1)).toMatchObject({
    level: "error",
    message: expect.stringContaining("layout version 99"),
  });
});

test("doctor: of an etcd it tells version, role, size and known hazards", async () => {
  await using server = await startEtcd({ line: "3.4" });
  await using place = await makePlace(server.url);
  const { code, stdout } = await place.etask("doctor", "--json");
  expect(code).toBe(0);
  const findings = jsonLines(stdout);
  expect(findings[0]).toMatchObject({
    level: "ok",
    check: "etcd",
    message: expect.stringMatching(/ runs 3\.4\.\d+, leader, .* in use, quota 2048\.0 MiB$/),
  });
  const hazards = findings.filter(({ check, level }) => check === "etcd" && level === "warning");
  expect(hazards.length).toBeGreaterThan(0);
  for (const { advice } of hazards) expect(advice).toMatch(/Upgrade/);
  expect(findings.find(({ check }) => check === "clocks")?.message).toMatch(/no skew/);

  await server.kill();
  const away = await place.etask("doctor", "--json");
  expect({ code: away.code, stderr: away.stderr }).toEqual({ code: 3, stderr: "" });
  expect(jsonLines(away.stdout)).toMatchObject([{ level: "error", check: "store" }]);
});
