import { readFileSync } from "node:fs";

/** Reads a small file whole; `undefined` when there is none, or it must not be read. */
export type ReadText = (path: string) => string | undefined;

/** {@link ReadText} for the files of a kernel, which are in memory and answer at once. */
export const readKernelFile: ReadText = (path) => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
};

/** The number that a file consists of; `undefined` for everything else, as for `max`. */
export function numberIn(text: string | undefined): number | undefined {
  const number = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** The number in the line `{name} {number}` of a file of such lines. */
export function numberNamed(name: string, text: string | undefined): number | undefined {
  const line = text?.split("\n").find((each) => each.startsWith(`${name} `));
  return numberIn(line?.slice(name.length + 1));
}
