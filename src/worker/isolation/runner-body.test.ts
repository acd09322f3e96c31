import { expect, test } from "vitest";
import { loaderOptions } from "./runner-body.ts";

test("runner: gets the options about loading modules, and no others", () => {
  const given = [
    ...["--inspect=9229", "--import", "tsx", "--input-type=module", "-C", "dev"],
    ...["--require=./first.cjs", "--max-old-space-size=64", "-e", "run()", "--import=./otel.js"],
  ];
  expect(loaderOptions(given)).toEqual([
    ...["--import", "tsx", "-C", "dev", "--require=./first.cjs", "--import=./otel.js"],
  ]);
});
