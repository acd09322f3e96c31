import { expect, test } from "vitest";
import { commandTask } from "./command-task.ts";

test.each([
  ["no command", { command: undefined }, /command must be a program or a list/],
  ["an empty command", { command: [] }, /command must be a program or a list/],
  ["an empty program", { command: "" }, /begin with the name or the path/],
  ["an argument that is none", { command: ["ls", 1] }, /command must be text/],
  ["an argument with NUL", { command: ["ls", "a\0"] }, /NUL/],
  ["cwd", { cwd: 7 }, /cwd must be text/],
  ["a variable's name", { env: { pass: ["A=B"] } }, /env\.pass must name variables/],
  ["env.pass", { env: { pass: "PATH" } }, /env\.pass must be a list/],
  ["a variable's value", { env: { set: { A: 1 } } }, /env\.set\.A must be text/],
  ["an unknown member of env", { env: { PATH: "/bin" } }, /env has no option "PATH"/],
  ["result", { result: "xml" }, /result must be one of text, lines, json/],
  ["outputBytesMax", { outputBytesMax: 0 }, /outputBytesMax must be/],
  ["progress", { progress: "percent" }, /progress must be a pattern/],
  ["an exit code", { exitCodes: { 256: "final" } }, /exitCodes must be .* from 0 to 255/],
  ["what an exit code means", { exitCodes: { 1: "failed" } }, /exitCodes\.1 must be one of/],
  ["killGrace", { killGrace: "1h" }, /killGrace must be a duration/],
  ["a limit", { limits: { cpuSeconds: 0.5 } }, /limits\.cpuSeconds must be a whole number/],
  ["an unknown limit", { limits: { disk: 1 } }, /limits has no option "disk"/],
  ["an unknown option", { shell: true }, /commandTask has no option "shell"/],
  ["an option of every task", { queue: "a b" }, /queue/],
])("command options: %s is refused when the task is defined", (_what, options, says) => {
  const define = () => commandTask({ name: "bad", command: "true", ...options } as never);
  expect(define).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
  expect(define).toThrow(says);
});
