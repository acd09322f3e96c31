import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The folder of the repository. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** A file that the rules look at. `path` is relative to the repository and has forward slashes. */
export interface Source {
  readonly path: string;
  readonly lines: readonly string[];
  /** Whether it is run by the test runner. */
  readonly test: boolean;
  readonly tree: ts.SourceFile;
}

/** One import, export-from, `import()` or import type. */
export interface Import {
  /** A path in the repository, or the name of a package. */
  readonly target: string;
  readonly local: boolean;
  /** Whether it is there when the program runs, and loaded with the file. */
  readonly value: boolean;
  readonly line: number;
}

/** Every TypeScript and JavaScript file of ours in `folders`, without generated ones. */
export function readSources(...folders: readonly string[]): readonly Source[] {
  return folders
    .flatMap((folder) => filesIn(folder, /\.(ts|mts|mjs|js)$/))
    .filter((path) => !path.includes("/proto/generated/") && !path.startsWith("bench/results/"))
    .map(parse);
}

/**
 * All files below a folder whose names match, as sorted paths. None when the folder is not there.
 */
export function filesIn(folder: string, name: RegExp): readonly string[] {
  const at = join(ROOT, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at, { recursive: true, encoding: "utf8" })
    .map((path) => posix.join(folder, path.replaceAll("\\", "/")))
    .filter((path) => name.test(path) && !path.includes("node_modules/"))
    .sort();
}

/** The text of a file, or `""` when it is not there. */
export function textOf(path: string): string {
  return existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), "utf8") : "";
}

function parse(path: string): Source {
  const text = textOf(path);
  return {
    path,
    lines: text.replace(/\n$/, "").split("\n"),
    test: path.startsWith("test/") || /\.test\.ts$/.test(path),
    tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true),
  };
}

/** The node and everything in it. */
export function* nodesIn(node: ts.Node): Iterable<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => {
    children.push(child);
  });
  for (const child of children) yield* nodesIn(child);
}

/** The line on which a node begins, from 1. */
export function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** The line on which a node ends, from 1. */
export function endLineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
}

/** Everything that a file imports. */
export function importsOf(source: Source): readonly Import[] {
  const imports: Import[] = [];
  for (const node of nodesIn(source.tree)) {
    const found = importAt(node);
    if (found === undefined) continue;
    const { specifier, value } = found;
    const local = specifier.startsWith(".");
    const target = local ? posix.join(dirname(source.path), specifier) : packageName(specifier);
    imports.push({ target, local, value, line: lineOf(source.tree, node) });
  }
  return imports;
}

function importAt(node: ts.Node): { specifier: string; value: boolean } | undefined {
  if (ts.isImportDeclaration(node)) {
    return named(node.moduleSpecifier, !onlyTypes(node.importClause));
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    return named(node.moduleSpecifier, !node.isTypeOnly);
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return named(node.arguments[0], false);
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return named(node.argument.literal, false);
  }
  return undefined;
}

function named(node: ts.Node | undefined, value: boolean) {
  return node && ts.isStringLiteralLike(node) ? { specifier: node.text, value } : undefined;
}

function onlyTypes(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = clause.namedBindings;
  if (clause.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings)) {
    return false;
  }
  return bindings.elements.length > 0 && bindings.elements.every((each) => each.isTypeOnly);
}

function packageName(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/**
 * The groups of files that import one another in a circle, by imports that are loaded with the
 * file.
 */
export function importCycles(sources: readonly Source[]): readonly (readonly string[])[] {
  const edges = new Map(
    sources.map((source) => {
      const targets = importsOf(source).filter((each) => each.local && each.value);
      return [source.path, targets.map((each) => each.target)];
    }),
  );
  const reaches = (from: string): Set<string> => {
    const seen = new Set<string>();
    const queue = [from];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      for (const next of edges.get(path) ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        queue.push(next);
      }
    }
    return seen;
  };
  const reached = new Map([...edges.keys()].map((path) => [path, reaches(path)]));
  const cycles = new Map<string, readonly string[]>();
  for (const [path, seen] of reached) {
    const cycle = [...seen].filter((other) => reached.get(other)?.has(path)).sort();
    if (cycle.length > 0) cycles.set(cycle.join(), cycle);
  }
  return [...cycles.values()];
}
