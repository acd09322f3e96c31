/** Puts a known bug into a copy of the sources and lets the simulation look for it. */
import { fork } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SeedsAnswer, SeedsTask } from "../seeds-process.ts";
import type { Edit, Mutation } from "./mutations.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What became of a mutation; `caught` is `undefined` when no seed found it. */
export interface MutationResult {
  readonly mutation: Mutation;
  readonly caught:
    | { readonly seed: number; readonly invariant: string; readonly text: string }
    | undefined;
  /** How many seeds were run. */
  readonly runs: number;
}

/**
 * Runs up to `runs` seeds, from the mutation's own on, until one finds it.
 *
 * @throws Error when an edit does not fit the source any more.
 */
export async function runMutation(mutation: Mutation, runs: number): Promise<MutationResult> {
  const folder = await mkdtemp(join(tmpdir(), "etask-mutation-"));
  try {
    for (const part of ["src", "sim", "package.json"]) {
      await cp(join(ROOT, part), join(folder, part), { recursive: true });
    }
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"), "dir");
    for (const edit of mutation.edits) await apply(folder, mutation, edit);
    const task = { first: mutation.seed, step: 1, count: runs, untilFailure: true };
    const answer = await runSeedsIn(folder, task);
    return { mutation, caught: answer.failures[0], runs: answer.runs };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Checks that the edits of a mutation fit the sources, without running it. */
export async function checkMutation(mutation: Mutation): Promise<void> {
  for (const edit of mutation.edits) await edited(ROOT, mutation, edit);
}

async function apply(folder: string, mutation: Mutation, edit: Edit): Promise<void> {
  await writeFile(join(folder, edit.file), await edited(folder, mutation, edit));
}

async function edited(folder: string, { name }: Mutation, edit: Edit): Promise<string> {
  const text = await readFile(join(folder, edit.file), "utf8");
  const count = text.split(edit.find).length - 1;
  if (count === 1) return text.replace(edit.find, () => edit.replace);
  throw new Error(
    `The mutation "${name}" does not fit ${edit.file} any more: what it replaces is there ` +
      `${count} times. Look at what has changed and put the bug back another way.`,
  );
}

function runSeedsIn(folder: string, task: SeedsTask): Promise<SeedsAnswer> {
  return new Promise((resolve, reject) => {
    const child = fork(join(folder, "sim/seeds-process.ts"), {
      cwd: folder,
      execArgv: ["--import", "tsx"],
    });
    child.once("message", (answer) => resolve(answer as SeedsAnswer));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The simulation ended with code ${code}.`)));
    child.send(task);
  });
}
