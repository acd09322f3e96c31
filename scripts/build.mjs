// Compiles src/ to dist/: `npm run build`, or `node scripts/build.mjs --if-stale`.
import { chmod, cp, mkdir, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  ensureInstalled,
  isMain,
  modifiedMs,
  Refusal,
  ROOT,
  runMain,
  runModule,
  say,
} from "./setup.mjs";

const STAMP = "dist/.built";
const PROGRAM = "cli/main.js";

/** Compiles, unless `dist/` is newer than everything it is made of. */
export async function buildIfStale() {
  if (await stale()) await build();
}

/**
 * Compiles into a new folder that takes the place of `dist/` when it is whole.
 *
 * @throws Refusal when the compiler finds errors; `dist/` stays as it was.
 */
export async function build() {
  const startedAt = new Date();
  const work = `dist.${process.pid}`;
  say("Building dist/");
  try {
    const args = ["-p", "tsconfig.build.json", "--outDir", work];
    const code = await runModule("typescript/bin/tsc", args);
    if (code !== 0) throw new Refusal("The build failed; the compiler's errors are above.");
    await copyAssets(work);
    await chmod(join(ROOT, work, PROGRAM), 0o755).catch(ignoreMissing);
    await stamp(join(ROOT, work), startedAt);
    await rm(join(ROOT, "dist"), { recursive: true, force: true });
    await rename(join(ROOT, work), join(ROOT, "dist"));
  } finally {
    await rm(join(ROOT, work), { recursive: true, force: true });
  }
}

/** Dated back to the start, so that what was changed during the build is not taken for built. */
async function stamp(folder, startedAt) {
  const path = join(folder, ".built");
  await writeFile(path, "");
  await utimes(path, startedAt, startedAt);
}

async function stale() {
  const builtMs = modifiedMs(STAMP);
  // Folders count too: deleting a file changes nothing but its folder.
  const paths = (await readdir(join(ROOT, "src"), { recursive: true })).map((each) =>
    join("src", each),
  );
  const sources = ["tsconfig.json", "tsconfig.build.json", "package-lock.json", "src", ...paths];
  return sources.some((path) => !path.endsWith(".test.ts") && modifiedMs(path) > builtMs);
}

/** What the compiler leaves behind: pages, styles, declarations of generated JavaScript. */
async function copyAssets(work) {
  const entries = await readdir(join(ROOT, "src"), { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const compiled = /\.(ts|js)$/.test(entry.name) && !entry.name.endsWith(".d.ts");
    if (!entry.isFile() || compiled || entry.name.endsWith(".proto")) continue;
    const from = join(entry.parentPath, entry.name);
    const to = join(ROOT, work, from.slice(join(ROOT, "src").length));
    await mkdir(dirname(to), { recursive: true });
    await cp(from, to);
  }
}

function ignoreMissing(error) {
  if (error.code !== "ENOENT") throw error;
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    await ensureInstalled();
    if (process.argv.includes("--if-stale")) await buildIfStale();
    else await build();
  });
}
