import ts from "typescript";
import { expect, test } from "vitest";
import { ROOT, readSources } from "../tidy/sources.ts";

// TypeScript 6.0 forgets to rewrite `import("./x.ts")` in a function that has a `using` declaration.
// From the sources everything works then; the compiled program does not find its own files.
test("compiled: no import names a source file", () => {
  const config = ts.readConfigFile(`${ROOT}/tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, ROOT);
  const wrong = readSources("src")
    .filter((source) => !source.test && source.path.endsWith(".ts"))
    .flatMap(({ path, lines }) => {
      const compiled = ts.transpileModule(lines.join("\n"), {
        compilerOptions: options,
        fileName: `${ROOT}/${path}`,
      });
      const imports = compiled.outputText.matchAll(/(?:from |import\()["'](\.[^"']*\.ts)["']/g);
      return [...imports].map(([, target]) => `${path} imports ${target}`);
    });
  expect(wrong).toEqual([]);
});
