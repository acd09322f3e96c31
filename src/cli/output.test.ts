import { expect, test } from "vitest";
import { ageText, Output, printable } from "./output.ts";
import { prettyLine } from "./worker-log.ts";

function setup(terminal: boolean, env: Record<string, string> = {}) {
  const said = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({
    isTTY: terminal,
    write: (text: string) => {
      said[name] += text;
      return true;
    },
  });
  return { said, output: new Output({ stdout: stream("stdout"), stderr: stream("stderr"), env }) };
}

test("output: colours appear on a terminal only, and not with NO_COLOR", () => {
  const painted = (terminal: boolean, env?: Record<string, string>) => {
    const { said, output } = setup(terminal, env);
    output.table(["A"], [["b"]]);
    output.error("no", { code: "STORE_URL", hint: "Look." });
    return `${said.stdout}${said.stderr}`.includes("\u001b[");
  };
  expect(painted(true)).toBe(true);
  expect(painted(false)).toBe(false);
  expect(painted(true, { NO_COLOR: "1" })).toBe(false);
  expect(painted(true, { NO_COLOR: "" })).toBe(true);
  expect(painted(true, { TERM: "dumb" })).toBe(false);
});

test("output: a table is aligned and has no space at the ends of its lines", () => {
  const { said, output } = setup(false);
  output.table(
    ["ID", "NAME"],
    [
      ["longer", "x"],
      ["a", ""],
    ],
  );
  expect(said.stdout).toBe("ID      NAME\nlonger  x\na\n");
});

test("output: an error has a line for what, and a line for what to do with the code", () => {
  const { said, output } = setup(false);
  output.error("It is\u001b[2J gone.", { code: "TASK_NOT_FOUND", hint: "Look." });
  expect(said.stderr).toBe("etask: It is\ufffd[2J gone.\nhint: Look. (TASK_NOT_FOUND)\n");
});

test("output: JSON lines hold nothing that a terminal would obey, and mean the same", () => {
  const { said, output } = setup(true);
  const value = { text: "a\u001b[31m\u009b31m\u2028\n" };
  output.record(value);
  expect(printable(said.stdout.trimEnd())).toBe(said.stdout.trimEnd());
  expect(JSON.parse(said.stdout)).toEqual(value);
});

test("output: ages have one unit", () => {
  const ages = [-5, 0, 119_999, 120_000, 7_200_000, 172_800_000].map(ageText);
  expect(ages).toEqual(["0s", "0s", "119s", "2m", "2h", "2d"]);
});

test("worker log: on a terminal a line has time, level, text and facts", () => {
  const { output } = setup(false);
  const line = JSON.stringify({
    ...{ level: "warn", time: "2030-01-01T12:30:05.123Z", pid: 1, hostname: "h" },
    ...{
      event: "etask:task:stale",
      id: "a",
      queues: ["x", "y"],
      what: "late \u001b",
      msg: "refused",
    },
  });
  expect(prettyLine(line, output)).toBe(
    '12:30:05.123 WARN  refused  id=a queues=x,y what="late \ufffd"',
  );
});
