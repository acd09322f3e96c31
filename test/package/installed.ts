import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The folder of the repository. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

const MODULES = join(ROOT, "node_modules");

/** What the tests read of package.json. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** What a program said, and with which code it ended; `null` when it had to be ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An empty project with the packed package in it, and the packages that it asks for. */
export interface Project {
  readonly folder: string;
  /** The package's own folder. */
  readonly package: string;
  /** Runs Node in the project. */
  node(...args: readonly string[]): Promise<Outcome>;
}

/** The package as `npm pack` makes it. */
export interface Packed extends AsyncDisposable {
  readonly manifest: Manifest;
  readonly tarball: string;
  /** A project that has the package; without `dependencies`, those of its manifest. */
  install(dependencies?: readonly string[]): Promise<Project>;
}

/** Packs the repository, compiling it before if that is due. */
export async function pack(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "etask-package-"));
  const args = ["pack", "--json", "--pack-destination", folder];
  const options = { cwd: ROOT, timeout: 120_000, maxBuffer: 2 ** 26 };
  const { stdout } = await run("npm", args, options).catch(async (error) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  // A script that runs before the packing may say something first.
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
  const tarball = join(folder, filename);
  const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as Manifest;
  let projects = 0;
  return {
    manifest,
    tarball,
    install: async (dependencies = Object.keys(manifest.dependencies)) => {
      projects += 1;
      const project = join(folder, `project-${projects}`);
      await install(project, tarball, manifest, dependencies);
      return {
        folder: project,
        package: join(project, "node_modules", manifest.name),
        node: (...programArgs) => runNode(project, programArgs),
      };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** As npm would, but offline: what the package depends on comes from the repository's own. */
async function install(
  project: string,
  tarball: string,
  { name, bin }: Manifest,
  dependencies: readonly string[],
): Promise<void> {
  const modules = join(project, "node_modules");
  await mkdir(join(modules, ".bin"), { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", modules], { timeout: 30_000 });
  await rename(join(modules, "package"), join(modules, name));
  for (const [command, target] of Object.entries(bin)) {
    await symlink(join("..", name, target), join(modules, ".bin", command));
  }
  for (const dependency of dependencies) {
    await mkdir(dirname(join(modules, dependency)), { recursive: true });
    await symlink(join(MODULES, dependency), join(modules, dependency));
  }
}

async function runNode(cwd: string, args: readonly string[]): Promise<Outcome> {
  const { NODE_OPTIONS: _, ETASK_STORE: __, VITEST: ___, ...env } = process.env;
  try {
    return { code: 0, ...(await run(process.execPath, args, { cwd, env, timeout: 20_000 })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Outcome;
    return { code: code ?? null, stdout, stderr };
  }
}
