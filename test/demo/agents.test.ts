import { expect, test } from "vitest";
import { startEtcd } from "../support/etcd-server.ts";
import { Program } from "./program.ts";

const TIMEOUT_MS = 200_000;
const RUN = ["--import", "tsx", "examples/agents/run.ts"];

/** Fails unless the run told its whole story and all was as it should be. */
async function expectWholeStory(run: Program): Promise<void> {
  expect(await run.ended, run.text).toBe(0);
  expect(run.lines.at(-1)).toMatch(/all as it should be$/);
  expect(run.lines.filter((line) => line.includes("✓")).length, run.text).toBe(11);
  expect(run.text).toMatch(/node-2\/sda scheduled, AGENT_RESTARTED: /);
  expect(run.text).toMatch(/node-3\/sda scheduled, AGENT_GONE: /);
  expect(run.text).toMatch(/node-3\/sda waits for another try: no live agent named node-3/);
  expect(run.text).toMatch(/node-1\/sdb cancelled/);
}

test(
  "agents: on an embedded store, a reboot, a death and a cancel end as they should",
  async () => {
    await using run = new Program(RUN);
    await expectWholeStory(run);
  },
  TIMEOUT_MS,
);

test(
  "agents: it does the same on etcd, and leaves neither task nor agent there",
  async () => {
    await using server = await startEtcd();
    await using run = new Program([...RUN, "--store", `${server.url}/agents`]);
    await expectWholeStory(run);
    for (const prefix of ["task/", "agent/"]) {
      const keys = await server.ctl("get", "--prefix", `agents/${prefix}`, "--keys-only");
      // The Beat's heartbeat may be there.
      expect(keys.trim().replace(`agents/${prefix}~`, "")).toBe("");
    }
  },
  TIMEOUT_MS,
);
