/** A process that runs a command, the JavaScript in its argument, until it is killed. */
import { commandTask } from "../../../src/tasks/command/index.ts";
import { run } from "./attempt.ts";

const [, , script = ""] = process.argv;
await run(commandTask({ name: "victim", command: [process.execPath, "-e", script] }), undefined);
throw new Error("The command ended.");
