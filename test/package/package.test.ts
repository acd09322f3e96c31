import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, posix, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Packed, type Project, pack, ROOT } from "./installed.ts";

const BYTES_MAX = 2_000_000;

let packed: Packed;
let project: Project;

beforeAll(async () => {
  packed = await pack();
  project = await packed.install();
}, 180_000);

afterAll(() => packed?.[Symbol.asyncDispose]());

/** The subpaths of the package that hold modules, as they are imported. */
function subpaths(): string[] {
  const { name, exports } = packed.manifest;
  const modules = Object.keys(exports).filter((path) => path !== "./package.json");
  return modules.map((path) => posix.join(name, path));
}

/** Every file of the package, with forward slashes, and its text. */
async function files(): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(project.package, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(project.package, join(entry.parentPath, entry.name)));
  const texts = paths.map(async (path) => {
    const text = await readFile(join(project.package, path), "utf8");
    return [path.replaceAll("\\", "/"), text] as const;
  });
  return new Map(await Promise.all(texts));
}

const said = { code: 0, stdout: "", stderr: "" };

describe("what is in the package", () => {
  test("only what users need, and all of that", async () => {
    const paths = [...(await files()).keys()];
    const top = [...new Set(paths.map((path) => path.split("/")[0]))].sort();
    expect(top).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json", "proto"]);
    const compiled = /^dist\/.+\.(js|js\.map|d\.ts)$/;
    expect(paths.filter((path) => path.startsWith("dist/") && !compiled.test(path))).toEqual([]);
    expect(paths.filter((path) => /\.test\.|\.spec\.[^.]+$|^dist\/test\//.test(path))).toEqual([]);
    expect((await stat(packed.tarball)).size).toBeLessThan(BYTES_MAX);
  });

  test("nothing tells of the place where it was made", async () => {
    const local = [resolve(ROOT), homedir(), "file://", "/tmp/"];
    for (const [path, text] of await files()) {
      for (const place of local.filter((each) => each.length > 1)) {
        expect([path, text.includes(place)]).toEqual([path, false]);
      }
    }
  });

  test("every target of the manifest is there, with types for each module", async () => {
    const { exports, bin } = packed.manifest;
    for (const [path, target] of Object.entries(exports)) {
      const targets = typeof target === "string" ? [target] : Object.values(target);
      if (typeof target !== "string") expect(Object.keys(target)).toEqual(["types", "default"]);
      for (const each of targets) {
        expect([path, existsSync(join(project.package, each))]).toEqual([path, true]);
      }
    }
    for (const target of Object.values(bin)) {
      expect(existsSync(join(project.package, target))).toBe(true);
    }
  });

  test("every module finds what it imports, and every source map its source", async () => {
    const all = await files();
    const missing: string[] = [];
    for (const [path, text] of all) {
      if (!/\.(js|d\.ts)$/.test(path)) continue;
      for (const [, target = ""] of text.matchAll(/(?:from |import\()"(\.[^"]+)"/g)) {
        const found = posix.join(posix.dirname(path), target);
        const declared = path.endsWith(".d.ts") ? found.replace(/\.[jt]s$/, ".d.ts") : found;
        if (!all.has(declared)) missing.push(`${path} imports ${target}`);
      }
      const map = /^\/\/# sourceMappingURL=(.+)$/m.exec(text)?.[1];
      if (map !== undefined && !all.has(posix.join(posix.dirname(path), map))) missing.push(map);
    }
    for (const [path, text] of all) {
      if (!path.endsWith(".map")) continue;
      const { sources, sourcesContent } = JSON.parse(text);
      for (const [index, source] of sources.entries()) {
        const there = all.has(posix.join(posix.dirname(path), source));
        if (!there && typeof sourcesContent?.[index] !== "string")
          missing.push(`${path}: ${source}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

describe("what the package does", () => {
  test("each subpath is imported and required by plain Node, says nothing, and lets it end", async () => {
    const programs = subpaths().flatMap((path) => [
      ["--input-type=module", "-e", `if (!Object.keys(await import("${path}"))[0]) throw path`],
      ["--input-type=commonjs", "-e", `if (!Object.keys(require("${path}"))[0]) throw path`],
    ]);
    for (const program of programs) {
      expect([program, await project.node(...program)]).toEqual([program, said]);
    }
  });

  test("what no subpath names cannot be imported", async () => {
    const program = 'await import("etask/dist/app.js").catch((error) => console.log(error.code))';
    const { stdout } = await project.node("--input-type=module", "-e", program);
    expect(stdout).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED\n");
  });

  test("the command runs from node_modules/.bin", async () => {
    const command = join(project.folder, "node_modules", ".bin", "etask");
    const { code, stdout, stderr } = await project.node(command, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Usage: etask /);
    const version = await project.node(command, "--version");
    expect(version).toEqual({ ...said, stdout: `${packed.manifest.version}\n` });
    expect((await stat(command)).mode & 0o111).toBe(0o111);
  });

  test("tasks run on an embedded store where nothing but LMDB, ULID and croner is installed", async () => {
    const lean = await packed.install(["lmdb", "ulid", "croner"]);
    await writeFile(join(lean.folder, "program.mjs"), runsTasks("embedded:./store"));
    expect(await lean.node("program.mjs")).toEqual({ ...said, stdout: '["embedded",84]\n' });
  });

  test("tasks run in memory where nothing but ULID and croner is installed", async () => {
    const leanest = await packed.install(["ulid", "croner"]);
    await writeFile(join(leanest.folder, "program.mjs"), runsTasks("memory:"));
    expect(await leanest.node("program.mjs")).toEqual({ ...said, stdout: '["memory",84]\n' });
  });

  test("an embedded store loads neither gRPC nor protobuf, and an etcd store no LMDB", async () => {
    const loaded = async (store: string) => {
      const hook = join(project.folder, "record.mjs");
      await writeFile(hook, RECORDER);
      await writeFile(join(project.folder, "open.mjs"), opens(store));
      const { stdout, stderr } = await project.node("--import", hook, "open.mjs");
      expect(stderr).toBe("");
      return ["@grpc/grpc-js", "protobufjs", "lmdb"].filter((name) =>
        stdout.includes(`/node_modules/${name}/`),
      );
    };
    expect(await loaded("embedded:./store")).toEqual(["lmdb"]);
    expect(await loaded("etcd://127.0.0.1:1?")).toEqual(["@grpc/grpc-js", "protobufjs"]);
    expect(await loaded("memory:")).toEqual([]);
  });
});

/** Runs a task through a whole app and prints its driver and result. */
function runsTasks(store: string): string {
  return `
    import { createApp, defineTask } from "etask";
    const double = defineTask({ name: "double", run: (n) => 2 * n });
    const app = await createApp({ store: "${store}", tasks: [double] });
    const handle = await double.delay(42);
    await app.createWorker().start();
    const result = await handle.result({ timeout: "15s" });
    await app.close();
    console.log(JSON.stringify(["${store.split(":")[0]}", result]));
  `;
}

/** Opens a store, or tries to, and prints which modules were loaded for it. */
function opens(store: string): string {
  return `
    import { createRequire } from "node:module";
    import { openStore } from "etask";
    const opening = openStore("${store}").then((store) => store.close(), () => {});
    await Promise.race([opening, new Promise((resolve) => setTimeout(resolve, 2_000))]);
    console.log(Object.keys(createRequire(import.meta.url).cache).join("\\n"));
    process.exit();
  `;
}

/** Prints the URL of every module that the program asks for. */
const RECORDER = `
  import { register } from "node:module";
  const hooks = \`
    import { writeSync } from "node:fs";
    export async function load(url, context, next) {
      writeSync(1, url + "\\\\n");
      return next(url, context);
    }
  \`;
  register("data:text/javascript," + encodeURIComponent(hooks));
`;

describe("the types of the package", () => {
  const consumer = `
    import { createApp, BaseTask, defineTask, isEtaskError, type TaskView } from "etask";
    import { openEtcdStore, type EtcdOptions } from "etask/store/etcd";
    import { openEmbeddedStore } from "etask/store/embedded";
    import { createSeededRandom, createVirtualClock, openMemoryStore, storeCases } from "etask/testing";

    const format = defineTask({
      name: "disk.format",
      retry: { attempts: 5, backoff: "exponential" },
      async run({ device }: { device: string }, ctx) {
        ctx.progress(50, { device });
        return { device, seconds: 12 };
      },
    });
    class Wipe extends BaseTask<{ device: string }, number> {
      readonly name = "disk.wipe";
      run({ device }: { device: string }): number {
        return device.length;
      }
    }
    const clock = createVirtualClock();
    const random = createSeededRandom(1);
    const store = openMemoryStore({ clock });
    const app = await createApp({ store, tasks: [format, new Wipe()], clock, random });
    const handle = await format.delay({ device: "/dev/sdb" }, { priority: 9 });
    const seconds: number = (await handle.result({ timeout: "5s" })).seconds;
    const bytes: number = await (await new Wipe().delay({ device: "a" })).result();
    const view: TaskView = await handle.state();
    const options: EtcdOptions = { endpoints: [{ host: "h", port: 2379 }] };
    // @ts-expect-error The input has another type.
    await format.delay({ device: 7 });
    // @ts-expect-error There is no such option.
    await format.delay({ device: "a" }, { prioriti: 9 });
    export { app, bytes, isEtaskError, openEmbeddedStore, openEtcdStore };
    export { options, seconds, storeCases, view };
  `;

  test.each([
    ["strict", {}],
    ["stricter", { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }],
    ["bundler", { module: "ESNext", moduleResolution: "Bundler" }],
    ["with its libraries checked", { skipLibCheck: false }],
  ])("fit a consumer's program: %s", async (name, more) => {
    const folder = join(project.folder, name.replaceAll(" ", "-"));
    await mkdir(folder);
    const types = join(project.folder, "node_modules", "@types");
    if (!existsSync(types)) {
      await mkdir(dirname(types), { recursive: true });
      await symlink(join(ROOT, "node_modules", "@types"), types);
    }
    await writeFile(join(folder, "consumer.mts"), consumer);
    const compilerOptions = {
      ...{ module: "NodeNext", target: "ES2023", lib: ["ES2023", "ESNext.Disposable"] },
      ...{ strict: true, noEmit: true, skipLibCheck: true, types: ["node"] },
      ...more,
    };
    const config = { compilerOptions, files: ["consumer.mts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    expect(await project.node(tsc, "-p", folder)).toEqual(said);
  });
});
