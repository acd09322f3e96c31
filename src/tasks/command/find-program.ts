import { access, constants, stat } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { CommandNotExecutableError, CommandNotFoundError } from "./command-errors.ts";

/** Where programs are looked for when the environment handed to them has no `PATH`. */
const PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin";

/**
 * The absolute path of a program: the name is looked for in `path`, one with a slash from `cwd`.
 *
 * @throws CommandNotFoundError when there is no such file, or no such directory `cwd`.
 * @throws CommandNotExecutableError when there is one that must not be executed.
 */
export async function findProgram(
  program: string,
  cwd: string,
  path: string = PATH_DEFAULT,
): Promise<string> {
  if ((await kindOf(cwd)) !== "directory") {
    throw new CommandNotFoundError(`There is no working directory ${cwd}.`);
  }
  const named = program.includes("/");
  const folders = named ? [""] : path.split(delimiter).filter((folder) => folder !== "");
  let found: string | undefined;
  for (const folder of folders) {
    const candidate = resolve(cwd, join(folder, program));
    const kind = await kindOf(candidate);
    if (kind === "program") return candidate;
    if (kind === "file") found ??= candidate;
  }
  if (found !== undefined) {
    throw new CommandNotExecutableError(
      `${found} is not executable for the user that the worker runs as.`,
    );
  }
  const where = named ? resolve(cwd, program) : `${program} in ${path}`;
  const hint = /\s/.test(program)
    ? " A text names a program alone; give its arguments as a list: [program, ...arguments]."
    : "";
  throw new CommandNotFoundError(`There is no program ${where}.${hint}`);
}

async function kindOf(path: string): Promise<"directory" | "program" | "file" | undefined> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return "directory";
    if (!stats.isFile()) return undefined;
  } catch {
    return undefined;
  }
  try {
    await access(path, constants.X_OK);
    return "program";
  } catch {
    return "file";
  }
}
