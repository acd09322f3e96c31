import { fileURLToPath, pathToFileURL } from "node:url";
import type { ResolvedIsolate } from "../../task/isolate.ts";

const MODULES_MAX = 4;
const OWN = new URL("../../", import.meta.url).href;
const FRAME = /(?:^|[( ])((?:file:\/\/)?\/[^()]*?)(?:\?[^()]*)?:\d+:\d+\)?$/;

/**
 * The modules in which a task may be found, the likeliest first: the one that its definition names,
 * then those that took part in defining it, from the inside out. A class stands before the module
 * that made an instance of it, and a library's factory before the module that called it.
 */
export function modulesOf(
  { module }: Pick<ResolvedIsolate, "module">,
  origin: string,
): readonly string[] {
  const modules = new Set(module === undefined ? [] : [module]);
  for (const line of origin.split("\n").slice(1)) {
    const at = line.trim();
    if (!at.startsWith("at ")) continue;
    // Node itself is where the evaluation of a module begins; below are those who wanted it loaded.
    if (at.includes("(node:internal") || at.startsWith("at node:internal")) break;
    const place = FRAME.exec(at)?.[1];
    if (place === undefined) continue;
    const url = place.startsWith("file:") ? place : pathToFileURL(place).href;
    if (!url.startsWith(OWN)) modules.add(url);
  }
  return [...modules].slice(0, MODULES_MAX);
}

/** A module as people name it. */
export function shownModule(url: string): string {
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}
