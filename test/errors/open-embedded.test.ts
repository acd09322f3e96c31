import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { open as openLmdb } from "lmdb";
import { describe, expect, test } from "vitest";
import { createApp, defineTask } from "../../src/index.ts";
import { put } from "../../src/store/part.ts";
import { refusal } from "./refusal.ts";

const run = promisify(execFile);
const PROGRAM = new URL("./open-program.ts", import.meta.url).pathname;
// By its path, because the program runs in other directories.
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const DATA_FILE = "etask.mdb";
const NOBODY = 65_534;

async function setup() {
  const directory = await mkdtemp(join(tmpdir(), "etask-errors-"));
  return {
    directory,
    path: (...names: string[]) => join(directory, ...names),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Everything below a directory, with its contents. */
async function contentsOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  const contents = paths.map(async (path) => [path, (await readFile(path)).toString("hex")]);
  return Object.fromEntries(await Promise.all(contents));
}

/** Refused with its directory and advice; returns the message. */
async function refused(directory: string): Promise<string> {
  const { code, message } = await refusal(() => createApp({ store: `embedded:${directory}` }));
  expect({ code, message }).toEqual({ code: "STORE_REFUSED", message: expect.any(String) });
  expect(message).toContain(directory);
  return message;
}

/**
 * What a process of its own says when it opens an app: its store's URL, or the code of the error.
 */
async function openElsewhere(
  cwd: string,
  env: Record<string, string>,
  args: readonly string[] = [],
  uid?: number,
): Promise<{ url?: string; code?: string; message?: string }> {
  const { ETASK_STORE: _, ...rest } = process.env;
  const who = uid === undefined ? {} : { uid, gid: uid };
  const options = { cwd, env: { ...rest, ...env }, timeout: 20_000, ...who };
  const { stdout } = await run(process.execPath, ["--import", TSX, PROGRAM, ...args], options);
  return JSON.parse(stdout);
}

describe("the directory of an embedded store", () => {
  test("one that holds other files is refused and left as it is", async () => {
    await using place = await setup();
    await writeFile(place.path("thesis.txt"), "years of work");
    await mkdir(place.path("photos"));
    await writeFile(place.path("photos", "a.jpg"), "smile");
    const before = await contentsOf(place.directory);
    expect(await refused(place.directory)).toContain("a directory of its own");
    expect(await contentsOf(place.directory)).toEqual(before);
  });

  test("one with the LMDB file of another program is refused and left as it is", async () => {
    await using place = await setup();
    const other = openLmdb({ path: place.path(DATA_FILE), maxDbs: 4 });
    await other.openDB({ name: "accounts" }).put("balance", 7);
    await other.close();
    const data = await readFile(place.path(DATA_FILE));
    expect(await refused(place.directory)).toContain("another program");
    expect((await readFile(place.path(DATA_FILE))).equals(data)).toBe(true);
  });

  test.each([
    ["garbage", Buffer.from("garbage ".repeat(4_096))],
    ["zeros", Buffer.alloc(32_768)],
    ["a few bytes", Buffer.from("x")],
  ])("one whose data file is %s is refused and left as it is", async (_what, bytes) => {
    await using place = await setup();
    await writeFile(place.path(DATA_FILE), bytes);
    expect(await refused(place.directory)).toContain("damaged or not an etask store");
    expect((await readFile(place.path(DATA_FILE))).equals(bytes)).toBe(true);
  });

  test("a file in its place is refused and left as it is", async () => {
    await using place = await setup();
    await writeFile(place.path("file"), "mine");
    expect(await refused(place.path("file"))).toContain("is a file. Name a directory");
    expect(await refused(place.path("file", "below"))).toContain("lies below a file");
    expect(await readFile(place.path("file"), "utf8")).toBe("mine");
  });

  test("one that the system does not let us make is refused", async () => {
    expect(await refused("/proc/etask-store")).toContain("/proc/etask-store");
  });

  test("one that may not be written is refused and left as it is", async () => {
    await using place = await setup();
    const store = place.path("store");
    await (await createApp({ store: `embedded:${store}` })).close();
    const before = await contentsOf(store);
    await chmod(place.directory, 0o755);
    await chmod(store, 0o555);
    for (const name of await readdir(store)) await chmod(join(store, name), 0o444);
    // Permissions mean nothing to root.
    const uid = process.getuid?.() === 0 ? NOBODY : undefined;
    const { code, message } = await openElsewhere(tmpdir(), {}, [`embedded:${store}`], uid);
    await chmod(store, 0o755);
    expect({ code, message }).toEqual({ code: "STORE_REFUSED", message: expect.any(String) });
    expect(message).toContain(`${store} may not be written. Change its permissions`);
    expect(await contentsOf(store)).toEqual(before);
  });

  test("one of a newer format is refused and left as it is", async () => {
    await using place = await setup();
    await (await createApp({ store: `embedded:${place.directory}` })).close();
    const root = openLmdb({ path: place.path(DATA_FILE), maxDbs: 16, encoding: "binary" });
    const meta = root.openDB<Buffer, string>({ name: "meta", encoding: "binary" });
    const format = JSON.parse(String(meta.get("format")));
    await meta.put("format", Buffer.from(JSON.stringify({ ...format, version: 2 })));
    await root.close();
    const data = await readFile(place.path(DATA_FILE));
    expect(await refused(place.directory)).toContain("format 2; this one knows 1");
    expect((await readFile(place.path(DATA_FILE))).equals(data)).toBe(true);
  });

  test("a store whose keys are of a newer layout is refused and left as it is", async () => {
    await using place = await setup();
    const url = `embedded:${place.directory}`;
    const app = await createApp({ store: url });
    const meta = put("meta", Buffer.from('{"v":1,"schema":2,"createdAt":0}'));
    await app.store.commit([{ guards: [], writes: [meta] }]);
    const { code, message } = await refusal(() => createApp({ store: url }), app.store);
    await app.close();
    expect(code).toBe("SCHEMA_VERSION");
    expect(message).toContain("layout version 2; this etask reads version 1. Upgrade");
  });

  test.each(["", "garbage", "{}", "[]", '{"schema":"1"}', '{"schema":1,"__proto__":{}}', "\xff"])(
    "a store whose meta record is %j is refused and left as it is",
    async (text) => {
      const app = await createApp({ store: "memory:" });
      const meta = put("meta", Buffer.from(text, "latin1"));
      await app.store.commit([{ guards: [], writes: [meta] }]);
      const { code, message } = await refusal(() => createApp({ store: app.store }), app.store);
      await app.close();
      expect(code).toBe("RECORD_MALFORMED");
      expect(message).toMatch(/record meta .* another namespace or directory/);
    },
  );

  test("an empty one, and one that does not exist, become a store", async () => {
    await using place = await setup();
    await mkdir(place.path("empty"));
    const task = defineTask({ name: "ok", run: () => "ok" });
    for (const directory of [place.path("empty"), place.path("a", "b", "c")]) {
      await using app = await createApp({ store: `embedded:${directory}`, tasks: [task] });
      const handle = await task.delay();
      await app.createWorker().start();
      expect(await handle.result({ timeout: "10s" })).toBe("ok");
    }
  });
});

describe("the store that nobody named", () => {
  test("is .etask in the working directory", async () => {
    await using place = await setup();
    expect((await openElsewhere(place.directory, {})).url).toMatch(/^embedded:.*\.etask$/);
    expect(await readdir(place.directory)).toEqual([".etask"]);
    expect((await openElsewhere(place.directory, { ETASK_STORE: "" })).code).toBeUndefined();
    expect(await readdir(place.directory)).toEqual([".etask"]);
  });

  test("is the one that ETASK_STORE names", async () => {
    await using place = await setup();
    const env = { ETASK_STORE: "embedded:./elsewhere" };
    expect((await openElsewhere(place.directory, env)).code).toBeUndefined();
    expect(await readdir(place.directory)).toEqual(["elsewhere"]);
    const named = [`embedded:${place.path("named")}`];
    expect((await openElsewhere(place.directory, env, named)).code).toBeUndefined();
    expect((await readdir(place.directory)).sort()).toEqual(["elsewhere", "named"]);
  });

  test("is not made when ETASK_STORE is malformed, and the message says where it came from", async () => {
    await using place = await setup();
    const env = { ETASK_STORE: "redis://user:secret@host" };
    const { code, message } = await openElsewhere(place.directory, env);
    expect(code).toBe("STORE_URL");
    expect(message).toContain("ETASK_STORE");
    expect(message).not.toContain("secret");
    expect(await readdir(place.directory)).toEqual([]);
  });
});
