import { join } from "node:path";
import { expect, test } from "vitest";
import { filesIn, textOf } from "../tidy/sources.ts";
import { openFolder, Program } from "./program.ts";

const TIMEOUT_MS = 120_000;

/** What each small example says at its end. */
const SAYS: Readonly<Record<string, RegExp>> = {
  "failure.ts": /^cancel: requested, then cancelled$/,
  "isolation.ts": /^78498 primes, and worker [0-9a-f]+ still works$/,
  "derive.ts": /^3 articles$/,
  "http.ts": /^charged once, receipt r-1$/,
  "command.ts": /^forever: cancelled$/,
  "idle.ts": /^all is scrubbed, in 1, 1, 1 attempts$/,
  "schedule.ts": /^3 ticks, each once$/,
  "first-program.ts": /^Hello, world!$/,
  "class-task.ts": /^the order costs 134$/,
  "bulk.ts": /^1000 results, the last one is "user 999 knows"$/,
  "follow.ts": /^all 3 files are copied$/,
};

function example(name: string, store: string, ...args: string[]): Program {
  const path = join("examples", name);
  return new Program(["--import", "tsx", path, ...args], { ETASK_STORE: store });
}

test.each(Object.entries(SAYS))(
  "examples: %s runs",
  async (name, says) => {
    await using folder = await openFolder();
    await using program = example(name, `embedded:${folder.path}`);
    expect(await program.ended, program.text).toBe(0);
    expect(program.lines.at(-1), program.text).toMatch(says);
  },
  TIMEOUT_MS,
);

test(
  "examples: bulk.ts meets an outage half-way",
  async () => {
    await using folder = await openFolder();
    await using program = example("bulk.ts", `embedded:${folder.path}`);
    const [, landed, missing] = await program.line(/^(\d+) tasks landed, (\d+) are missing$/);
    expect(Number(landed)).toBeGreaterThan(0);
    expect(Number(landed) + Number(missing)).toBe(1_000);
    expect(await program.ended, program.text).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "examples: two-processes work together, whoever comes first",
  async () => {
    await using folder = await openFolder();
    const store = `embedded:${folder.path}`;
    await using early = example("two-processes/producer.ts", store, "three", "small", "words");
    await early.line(/^handed over as /);
    await using worker = example("two-processes/worker.ts", store);
    await worker.line(/takes tasks/);
    await using late = example("two-processes/producer.ts", store, "one more");
    expect(await early.ended, early.text).toBe(0);
    expect(await late.ended, late.text).toBe(0);
    expect([early.lines.at(-1), late.lines.at(-1)]).toEqual(["3 words", "2 words"]);
    worker.signal("SIGTERM");
    expect(await worker.ended, worker.text).toBe(0);
  },
  TIMEOUT_MS,
);

test("examples: every file at the top of examples/ is run here, and README.md names it", () => {
  const files = filesIn("examples", /\.ts$/).map((path) => path.slice("examples/".length));
  const small = files.filter((path) => !path.includes("/"));
  expect(Object.keys(SAYS).sort()).toEqual(small);
  const readme = textOf("examples/README.md");
  expect(small.filter((name) => !readme.includes(`(${name})`))).toEqual([]);
});
