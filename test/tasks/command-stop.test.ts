import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { commandTask } from "../../src/tasks/command/index.ts";
import { startProcessGroup } from "../../src/tasks/command/process-group.ts";
import { createAttempt, failureOf, run } from "./support/attempt.ts";
import { Witness } from "./support/witness.ts";

const DEAF = 'process.on("SIGTERM", () => {});';

/** JavaScript of a program that shows itself and goes on; `also` runs first. */
const lasting = ({ greeting }: Witness, also = "") =>
  `${also} ${greeting}; setInterval(() => {}, 1e6);`;

/** JavaScript that starts another program which shares the output of its parent. */
const starting = (script: string, options = "") =>
  `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(script)}], ` +
  `{ stdio: ["inherit", "inherit", "inherit", "ipc"]${options} })`;

const node = (script: string) => [process.execPath, "-e", script];

test("stop: a program that obeys ends at SIGTERM, and the reason is what is thrown", async () => {
  await using witness = await Witness.open();
  const attempt = createAttempt();
  const obeys = 'process.on("SIGTERM", () => { console.log("cleaned"); process.exit(0); });';
  const command = node(lasting(witness, obeys));
  const running = run(commandTask({ name: "obey", command, killGrace: "10m" }), 1, attempt);
  await witness.arrived(1);
  attempt.abort("cancelled");
  await expect(running).rejects.toMatchObject({ code: "ATTEMPT_ABORTED", reason: "cancelled" });
  expect(attempt.lines).toContain("stdout: cleaned");
  await witness.gone();
});

test("stop: programs that ignore SIGTERM are killed after the grace, grandchildren with them", async () => {
  await using witness = await Witness.open();
  const attempt = createAttempt();
  const grandchild = lasting(witness, DEAF);
  const child = lasting(witness, `${DEAF} ${starting(grandchild)};`);
  const command = node(lasting(witness, `${DEAF} ${starting(child)};`));
  const running = run(commandTask({ name: "deaf", command, killGrace: "100ms" }), 1, attempt);
  await witness.arrived(3);
  attempt.abort("timeout");
  await expect(running).rejects.toMatchObject({ code: "ATTEMPT_ABORTED", reason: "timeout" });
  await witness.gone();
});

test("stop: an attempt that was stopped before it began starts nothing", async () => {
  const attempt = createAttempt();
  attempt.abort("shutdown");
  const error = await failureOf(run(commandTask({ name: "x", command: "true" }), 1, attempt));
  expect(error).toMatchObject({ code: "ATTEMPT_ABORTED" });
});

test("stop: what a program leaves behind in its group ends with it", async () => {
  await using witness = await Witness.open();
  const left =
    `${DEAF} ${witness.greeting}.on("connect", () => process.send("up")); ` +
    "setInterval(() => {}, 1e6);";
  // It leaves when its child is up, which holds its output open.
  const command = node(
    `${starting(left)}.on("message", () => { console.log("left"); process.exit(0); });`,
  );
  expect(await run(commandTask({ name: "leave", command, result: "text" }))).toBe("left");
  await witness.arrived(1);
  await witness.gone();
});

test("stop: a child that left the group and holds the output does not hold up the task", async () => {
  await using witness = await Witness.open();
  const daemon =
    `${witness.greeting}.on("connect", () => { console.log("pid", process.pid); ` +
    'process.send("up"); }); setInterval(() => {}, 1e6);';
  const command = node(
    `${starting(daemon, ", detached: true")}.on("message", () => process.exit(0));`,
  );
  const attempt = createAttempt();
  const running = run(commandTask({ name: "daemon", command, result: "text" }), 1, attempt);
  const [, pid] = await attempt.line(/pid (\d+)/);
  expect(await running).toBe(`pid ${pid}`);
  process.kill(Number(pid), "SIGKILL");
  await witness.gone();
});

test("stop: a limit that the system does not grant is named, and nothing is started", async () => {
  const order = {
    program: "/bin/echo",
    args: ["started"],
    cwd: "/",
    env: {},
    stdin: undefined,
    limits: { cpuSeconds: undefined, memoryBytes: Number.NaN, openFiles: undefined },
  };
  await using group = await startProcessGroup(order, systemClock);
  let text = "";
  group.stdout.on("data", (chunk) => {
    text += chunk;
  });
  group.stderr.resume();
  expect(await group.exited).toMatchObject({ exitCode: 125 });
  await expect(group.close()).rejects.toMatchObject({
    code: "COMMAND_NOT_EXECUTABLE",
    message: expect.stringContaining("limits.memoryBytes"),
  });
  expect(text).toBe("");
});

test("stop: a worker that is killed leaves no process behind", async () => {
  for (const round of [1, 2, 3]) {
    await using witness = await Witness.open();
    const grandchild = lasting(witness, DEAF);
    const script = lasting(witness, `${DEAF} ${starting(grandchild)};`);
    const worker = spawn(
      process.execPath,
      ["--import", "tsx", "test/tasks/support/command-worker.ts", script],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    const ended = once(worker, "exit");
    await witness.arrived(2);
    const killedAt = performance.now();
    worker.kill("SIGKILL");
    await witness.gone();
    expect(performance.now() - killedAt, `round ${round}`).toBeLessThan(2_000);
    await ended;
  }
});
