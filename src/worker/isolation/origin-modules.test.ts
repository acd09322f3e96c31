import { expect, test } from "vitest";
import { modulesOf } from "./origin-modules.ts";

const own = new URL("../../task/task.ts", import.meta.url).href;

function stack(...frames: string[]): string {
  return ["Error: Defined", ...frames.map((frame) => `    at ${frame}`)].join("\n");
}

test("origin: the first file outside the package, by URL or path", () => {
  const origin = stack(`new BaseTask (${own}:60:3)`, `defineTask (${own}:80:3)`);
  const place = "ModuleJob.run (node:internal/modules/esm/module_job:343:25)";
  for (const frame of ["file:///srv/app/tasks.ts:5:10", "/srv/app/tasks.ts:5:10"]) {
    expect(modulesOf({ module: undefined }, `${origin}\n    at ${frame}\n    at ${place}`)).toEqual(
      ["file:///srv/app/tasks.ts"],
    );
  }
});

test("origin: a class comes before the module that made an instance of it", () => {
  const origin = stack(
    "new Format (file:///srv/app/format.js:3:5)",
    "file:///srv/app/all%20tasks.js?t=1:7:20",
    "async Promise.all (index 0)",
  );
  expect(modulesOf({ module: undefined }, origin)).toEqual([
    "file:///srv/app/format.js",
    "file:///srv/app/all%20tasks.js",
  ]);
});

test("origin: whoever had the module loaded has no part in it", () => {
  const origin = stack(
    "Object.<anonymous> (/srv/app/tasks.cjs:2:9)",
    "Module._compile (node:internal/modules/cjs/loader:1521:14)",
    "Object.<anonymous> (/srv/app/main.cjs:1:1)",
  );
  expect(modulesOf({ module: undefined }, origin)).toEqual(["file:///srv/app/tasks.cjs"]);
});

test("origin: the module that the definition names comes first; a stack may be missing", () => {
  const module = "file:///srv/app/named.js";
  expect(modulesOf({ module }, stack("file:///srv/app/tasks.js:1:1"))).toEqual([
    module,
    "file:///srv/app/tasks.js",
  ]);
  expect(modulesOf({ module: undefined }, "")).toEqual([]);
});
