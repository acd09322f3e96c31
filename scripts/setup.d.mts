import type { SpawnOptions } from "node:child_process";

/** The folder of the repository. */
export const ROOT: string;

/** A message for the person at the terminal: said without a stack trace. */
export class Refusal extends Error {}

/** When a file of the repository was modified, in milliseconds; 0 when it is not there. */
export function modifiedMs(path: string): number;

/** Runs a program in the repository with this terminal; resolves to its exit code. */
export function run(
  program: string,
  args: readonly string[],
  options?: SpawnOptions,
): Promise<number | string>;

/** Writes one line to the terminal. */
export function say(line: string): void;
