import { expect, test, vi } from "vitest";
import { jsonLines, makePlace, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

const leads = (line: string) => line.includes("etask:beat:elected");

test("beat: one leads; at SIGTERM it ends with 0 and another one leads", async () => {
  await using place = await makePlace();
  const first = place.start("beat", "--lease-ttl", "1h");
  await first.line("stdout", leads);
  const second = place.start("beat", "--compaction", "off");
  await second.line("stdout", (line) => line.includes("standing for election"));
  first.signal("SIGTERM");
  const { code, stdout, stderr } = await first.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(jsonLines(stdout).map(({ msg }) => msg)).toEqual([
    "standing for election",
    "this process leads the Beat",
    "stopping",
    "this process leads the Beat no longer",
  ]);
  expect(jsonLines(stdout).at(-1)).toMatchObject({ lost: false });
  await second.line("stdout", leads);
  second.signal("SIGINT");
  expect((await second.ended).code).toBe(0);
});

test.each([
  [["--lease-ttl", "1s"], "leaseTtl must be a duration between 2000 ms and 3600000 ms"],
  [["--compaction", "on"], "compaction must be a duration between 60000 ms and 86400000 ms"],
  [["--app", "tasks.ts"], "unknown option '--app'"],
])("beat: %j is wrong usage", async (args, message) => {
  await using place = await makePlace();
  const { code, stdout, stderr } = await place.etask("beat", ...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});
