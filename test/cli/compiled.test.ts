import ts from "typescript";
import { expect, test } from "vitest";
import { ROOT, readSources } from "../tidy/sources.ts";

// TypeScript 6.0 forgets to rewrite `import("./x.ts")` in a function that has a `using`
// declaration. From the sources everything works then; the compiled program does not find
// its own files.
test("compiled: no import names a source file", () => {
  const config = ts.readConfigFile(`${ROOT}/tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, ROOT);
  const wrong = readSources("src")
    .filter((source) => !source.test && source.path.endsWith(".ts"))
    .map(({ path, lines }) => ({ path, text: lines.join("\n") }))
    // Compiling takes a while, and only a dynamic import can go wrong.
    .filter(({ text }) => text.includes("import("))
    .flatMap(({ path, text }) => {
      const compiled = ts.transpileModule(text, {
        compilerOptions: options,
        fileName: `${ROOT}/${path}`,
      });
      const imports = compiled.outputText.matchAll(/(?:from |import\()["'](\.[^"']*\.ts)["']/g);
      return [...imports].map(([, target]) => `${path} imports ${target}`);
    });
  expect(wrong).toEqual([]);
});
