import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory that is not there yet, below one that is removed in the end. */
export async function makeDirectory(): Promise<AsyncDisposable & { readonly directory: string }> {
  const parent = await mkdtemp(join(tmpdir(), "etask-embedded-"));
  return {
    directory: join(parent, "store"),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }),
  };
}
