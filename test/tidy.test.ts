import { existsSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { test } from "vitest";
import { ERROR_CODES } from "../src/base/errors.ts";
import {
  endLineOf,
  filesIn,
  importCycles,
  importsOf,
  lineOf,
  nodesIn,
  ROOT,
  readSources,
  type Source,
  textOf,
} from "./tidy/sources.ts";

// The style of the house as a test. Each rule lists everything that breaks it; CONTRIBUTING.md says
// why the rules are what they are. There is no list of exceptions: change the code, or the rule.

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_LENGTH_MAX = 100;
const SCRIPTS_MAX = 12;

/** A folder of `src/` may import itself and whatever stands before its line. */
const FLOORS: readonly (readonly string[])[] = [
  ["base"],
  ["store"],
  ["coordination"],
  ["task"],
  ["broker", "backend"],
  ["schedule"],
  ["canvas"],
  ["worker", "beat", "tasks"],
  ["app"],
  ["telemetry", "testing"],
  ["dashboard"],
  ["cli"],
];

/** Packages that only some folders may import, because others are used without them. */
const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  "@grpc/grpc-js": ["src/store/etcd/", "src/tasks/rpc/"],
  "@grpc/proto-loader": ["src/tasks/rpc/"],
  protobufjs: ["src/store/etcd/"],
  lmdb: ["src/store/embedded/"],
  commander: ["src/cli/"],
  undici: ["src/tasks/http/"],
};

const TIME_AND_CHANCE = {
  homes: ["src/base/clock.ts", "src/base/random.ts"],
  uses: [
    ...["Date.now", "Math.random", "process.hrtime", "performance.now", "crypto.randomUUID"],
    ...["setTimeout", "setInterval", "setImmediate", "randomUUID", "randomBytes", "randomInt"],
    ...["node:timers", "node:timers/promises"],
  ],
};

const TERMINAL = {
  homes: ["src/cli/"],
  uses: ["process.exit", "process.exitCode", "process.stdout", "process.stderr", "console"],
};

const sources = readSources("src");
const product = sources.filter((source) => !source.test);
const everything = [
  ...sources,
  ...readSources("test", "sim", "chaos", "scripts", "examples", "bench"),
];

function expectNone(findings: readonly string[]): void {
  if (findings.length > 0) throw new Error(`${findings.length} to mend:\n${findings.join("\n")}`);
}

function at(source: Source, node: ts.Node): string {
  return `${source.path}:${lineOf(source.tree, node)}`;
}

/**
 * The name of a path's place in {@link FLOORS}: its folder, or "app" for what joins the folders.
 */
function placeOf(path: string): string {
  const [, folder = "", file] = path.split("/");
  return file === undefined ? "app" : folder;
}

function floorOf(path: string): number {
  return FLOORS.findIndex((floor) => floor.includes(placeOf(path)));
}

/** `a.b` for a property access of a plain name, and plain names that are called or constructed. */
function usedName(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    return `${node.expression.text}.${node.name.text}`;
  }
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) return node.expression.text;
  return undefined;
}

function usesOutside({ homes, uses }: { homes: readonly string[]; uses: readonly string[] }) {
  const outside = product.filter(({ path }) => !homes.some((home) => path.startsWith(home)));
  return outside.flatMap((source) => [
    ...[...nodesIn(source.tree)].flatMap((node) => {
      const name = usedName(node);
      const found = uses.find((use) => name === use || name?.startsWith(`${use}.`));
      if (found !== undefined) return [`${at(source, node)} uses ${found}`];
      const date = ts.isNewExpression(node) && node.expression.getText(source.tree) === "Date";
      const readsClock = date && (node.arguments?.length ?? 0) === 0 && uses.includes("Date.now");
      return readsClock ? [`${at(source, node)} uses new Date()`] : [];
    }),
    ...importsOf(source)
      .filter(({ target }) => uses.includes(target))
      .map(({ target, line }) => `${source.path}:${line} imports ${target}`),
  ]);
}

test("tidy: a folder imports lower floors only, and siblings do not import each other", () => {
  const findings = product.flatMap((source) => {
    if (source.path === "src/index.ts") return [];
    const floor = floorOf(source.path);
    if (floor === -1) return [`${source.path} is on no floor`];
    return importsOf(source)
      .filter(({ local, target }) => local && placeOf(target) !== placeOf(source.path))
      .filter(({ target }) => !(target.startsWith("src/") && floorOf(target) < floor))
      .map(({ line, target }) => `${source.path}:${line} imports ${target}`);
  });
  expectNone(findings);
});

test("tidy: nothing inside imports src/index.ts", () => {
  const findings = sources.flatMap((source) =>
    importsOf(source)
      .filter(({ target }) => target === "src/index.ts")
      .map(({ line }) => `${source.path}:${line} imports src/index.ts`),
  );
  expectNone(findings);
});

test("tidy: a package is a dependency and imported only where its users load it", () => {
  const { dependencies } = JSON.parse(textOf("package.json")) as { dependencies: object };
  const findings = product.flatMap((source) =>
    importsOf(source).flatMap(({ local, target, line }) => {
      if (local || target.startsWith("node:")) return [];
      if (!Object.hasOwn(dependencies, target)) {
        return [`${source.path}:${line} imports ${target}, which is not a dependency`];
      }
      const homes = PACKAGE_HOMES[target] ?? [""];
      if (homes.some((home) => source.path.startsWith(home))) return [];
      return [`${source.path}:${line} imports ${target}, which only ${homes.join(", ")} may`];
    }),
  );
  expectNone(findings);
});

test("tidy: time and chance come from base/clock.ts and base/random.ts alone", () => {
  expectNone(usesOutside(TIME_AND_CHANCE));
});

test("tidy: only the command line ends the process or writes to the terminal", () => {
  expectNone(usesOutside(TERMINAL));
});

test("tidy: no files import one another in a circle", () => {
  expectNone(importCycles(sources).map((cycle) => cycle.join(" <-> ")));
});

test(`tidy: a file has at most ${FILE_LINES_MAX} lines`, () => {
  const long = everything.filter(({ lines }) => lines.length > FILE_LINES_MAX);
  expectNone(long.map(({ path, lines }) => `${path} has ${lines.length}`));
});

test(`tidy: a function has at most ${FUNCTION_LINES_MAX} lines`, () => {
  const findings = everything
    .filter((source) => !source.test)
    .flatMap((source) =>
      [...nodesIn(source.tree)].filter(ts.isFunctionLike).flatMap((node) => {
        const lines = endLineOf(source.tree, node) - lineOf(source.tree, node) + 1;
        return lines > FUNCTION_LINES_MAX ? [`${at(source, node)} has ${lines}`] : [];
      }),
    );
  expectNone(findings);
});

test(`tidy: a line of code has at most ${LINE_LENGTH_MAX} characters, also in the docs`, () => {
  const inCode = everything.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => tooLong(path, index, line)),
  );
  const inDocs = ["README.md", ...filesIn("docs", /\.md$/)].flatMap((path) => {
    let fenced = false;
    return textOf(path)
      .split("\n")
      .flatMap((line, index) => {
        if (line.trimStart().startsWith("```")) fenced = !fenced;
        return fenced ? tooLong(path, index, line) : [];
      });
  });
  expectNone([...inCode, ...inDocs]);
});

/** Text literals do not count: nobody can break a sentence in the middle, and no formatter does. */
const LITERAL = /(["'`/])(?:\\.|(?!\1).)*\1|`[^`]*$/g;

function tooLong(path: string, index: number, line: string): readonly string[] {
  const comment = /^\s*(?:\*|\/\/|\/\*)/.test(line);
  const { length } = comment ? line : line.replace(LITERAL, '""');
  return length > LINE_LENGTH_MAX ? [`${path}:${index + 1} has ${length}`] : [];
}

test("tidy: the parts of the language that the house does without are not used", () => {
  const findings = everything.flatMap((source) =>
    [...nodesIn(source.tree)].flatMap((node) => {
      const what = banned(node);
      return what === undefined ? [] : [`${at(source, node)} has ${what}`];
    }),
  );
  expectNone(findings);
});

function banned(node: ts.Node): string | undefined {
  if (ts.isExportAssignment(node)) return "a default export";
  if (node.kind === ts.SyntaxKind.DefaultKeyword && ts.canHaveModifiers(node.parent)) {
    return "a default export";
  }
  if (ts.isEnumDeclaration(node)) return "an enum";
  if (ts.isModuleDeclaration(node)) return "a namespace";
  if (node.kind === ts.SyntaxKind.AnyKeyword) return "any";
  if (ts.isNonNullExpression(node)) return "a non-null assertion";
  if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) {
    return "a parameter property";
  }
  if (ts.isHeritageClause(node) && node.token === ts.SyntaxKind.ExtendsKeyword) {
    const [base] = ts.isClassLike(node.parent) ? node.types : [];
    const name = base?.expression.getText() ?? "Error";
    // Users derive from BaseTask, so examples and tests do.
    if (!name.endsWith("Error") && name !== "BaseTask") return `a class derived from ${name}`;
  }
  return undefined;
}

test("tidy: every exported declaration says what it promises", () => {
  const findings = product.flatMap((source) => {
    // Overloads are documented once, at the first.
    const seen = new Set<string>();
    return source.tree.statements.filter(isExported).flatMap((statement) => {
      const name = declaredName(statement, source.tree);
      if (seen.has(name)) return [];
      seen.add(name);
      const documented = ts.getJSDocCommentsAndTags(statement).some(ts.isJSDoc);
      return documented ? [] : [`${at(source, statement)} exports ${name} without a comment`];
    });
  });
  expectNone(findings);
});

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
  return modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);
}

function declaredName(statement: ts.Statement, tree: ts.SourceFile): string {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map((each) => each.name.getText(tree)).join();
  }
  const { name } = statement as ts.DeclarationStatement;
  return name?.getText(tree) ?? "something";
}

test("tidy: docs/errors.md has a heading for every error code and for nothing else", () => {
  const headings = [...textOf("docs/errors.md").matchAll(/^#{2,4} `?([A-Z]+(?:_[A-Z]+)+)`?/gm)];
  const documented = headings.map(([, code]) => code ?? "");
  const codes: readonly string[] = ERROR_CODES;
  expectNone([
    ...codes.filter((code) => !documented.includes(code)).map((code) => `${code} has no heading`),
    ...documented.filter((code) => !codes.includes(code)).map((code) => `${code} is no error code`),
  ]);
});

test("tidy: docs/telemetry.md names every event, and no other", () => {
  const named = (text: string) => new Set(text.match(/etask(?::[a-z]+(?:-[a-z]+)*){2}/g) ?? []);
  const events = named(textOf("src/base/events.ts"));
  const documented = named(textOf("docs/telemetry.md"));
  expectNone([
    ...[...events].filter((name) => !documented.has(name)).map((name) => `${name} is not there`),
    ...[...documented].filter((name) => !events.has(name)).map((name) => `${name} is no event`),
  ]);
});

test("tidy: package.json points at sources that exist and stays small", () => {
  const manifest = JSON.parse(textOf("package.json")) as {
    exports: object;
    bin: object;
    scripts: object;
  };
  const targets = [...leaves(manifest.exports), ...leaves(manifest.bin)];
  const missing = targets
    .map((target) => target.replace(/^\.\/dist\/(.*?)(\.d\.ts|\.js)$/, "src/$1.ts"))
    .filter((path) => !existsSync(join(ROOT, path)))
    .map((path) => `${path} does not exist`);
  const { length } = Object.keys(manifest.scripts);
  expectNone([...missing, ...(length > SCRIPTS_MAX ? [`there are ${length} scripts`] : [])]);
});

function leaves(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(leaves) : [];
}

test("tidy: what is left to do has an issue", () => {
  // Put together, so that this line is not found itself.
  const marker = new RegExp(`\\b(${["TO", "FIX", "XX"].join("|")})(DO|ME|X)\\b(?!.*#\\d)`);
  const docs = ["README.md", "CONTRIBUTING.md", ...filesIn("docs", /\.md$/)];
  const texts = [
    ...everything.map(({ path, lines }) => ({ path, lines })),
    ...docs.map((path) => ({ path, lines: textOf(path).split("\n") })),
  ];
  const findings = texts.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (marker.test(line) ? [`${path}:${index + 1}`] : [])),
  );
  expectNone(findings);
});

test("tidy: every test runs, every time, once", () => {
  const findings = everything
    .filter((source) => source.test)
    .flatMap((source) =>
      [...nodesIn(source.tree)].flatMap((node) => {
        const what = bentTest(node);
        return what === undefined ? [] : [`${at(source, node)} has ${what}`];
      }),
    );
  expectNone(findings);
});

function bentTest(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && rootIsTest(node)) {
    const bent = ["skip", "only", "todo", "fails", "skipIf", "runIf"].includes(node.name.text);
    return bent ? `.${node.name.text}` : undefined;
  }
  if (!ts.isCallExpression(node) || !rootIsTest(node)) return undefined;
  const options = node.arguments.filter(ts.isObjectLiteralExpression);
  const names = options.flatMap((each) => each.properties.map((property) => property.name));
  const bent = names.find((name) => ["retry", "repeats"].includes(name?.getText() ?? ""));
  return bent && `an option ${bent.getText()}`;
}

function rootIsTest(node: ts.Expression): boolean {
  let root = node;
  while (ts.isPropertyAccessExpression(root) || ts.isCallExpression(root)) root = root.expression;
  return ts.isIdentifier(root) && ["test", "it", "describe"].includes(root.text);
}
