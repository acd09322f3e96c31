/**
 * Loads modules of users, which may be TypeScript, and finds the tasks in what they export.
 *
 * TypeScript is compiled while it is loaded, without checking its types, so that the same file
 * works on every Node that etask runs on.
 */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { RegisteredTask } from "./task.ts";

const TYPESCRIPT = [".ts", ".mts", ".cts", ".tsx"];

/** Whether a module has to be compiled before Node can run it. */
function isTypeScript(url: string): boolean {
  return TYPESCRIPT.includes(extname(fileURLToPath(url)));
}

/** Loads the module at a `file:` URL. @throws what the module throws. */
export async function importModule(url: string): Promise<Record<string, unknown>> {
  if (isTypeScript(url)) await compileTypeScript();
  return exportsOf(await import(url));
}

let compiling: Promise<void> | undefined;

/**
 * For the whole process, not for the module alone, as `tsImport` would: then the module gets our
 * own copy of etask, and what handlers may load later is compiled, too.
 */
function compileTypeScript(): Promise<void> {
  compiling ??= (async () => {
    const [esm, cjs] = await Promise.all([import("tsx/esm/api"), import("tsx/cjs/api")]);
    esm.register();
    cjs.register();
  })();
  return compiling;
}

/** TypeScript in a package that does not say `"type": "module"` arrives as the default export. */
function exportsOf(module: Record<string, unknown>): Record<string, unknown> {
  const inner = module.default as Record<string, unknown> | null | undefined;
  return inner?.__esModule === true ? { ...module, ...inner } : module;
}

/** The task of that name that a module exports, by itself or in a list. */
export function exportedTask(
  exports: Readonly<Record<string, unknown>>,
  name: string,
): RegisteredTask | undefined {
  return Object.values(exports)
    .flat()
    .filter(isTask)
    .find((task) => task.name === name);
}

/** By its shape: the module may have loaded another copy of etask. */
export function isTask(value: unknown): value is RegisteredTask {
  if (value === null || typeof value !== "object") return false;
  const { name, run, bind } = value as Partial<RegisteredTask>;
  return typeof name === "string" && typeof run === "function" && typeof bind === "function";
}
