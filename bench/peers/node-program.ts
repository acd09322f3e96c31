import { fileURLToPath } from "node:url";
import type { ProgramCommand } from "./contender.ts";

const PROGRAM = fileURLToPath(new URL("./program.ts", import.meta.url));

/** The program of a contender that has a client for Node, in `contenders/{module}.ts`. */
export function nodeProgram(module: string): ProgramCommand {
  return { file: process.execPath, args: ["--import", "tsx", PROGRAM, module] };
}
