import { describe, test } from "vitest";
import { storeCases } from "../../src/store/conformance/index.ts";
import type { StoreDriver } from "./store-harness.ts";

/** Every case on every driver, a fresh store each, none skipped. */
export function describeConformance(drivers: readonly StoreDriver[]): void {
  describe.each(drivers)("$name", ({ open }) => {
    test.each(Object.entries(storeCases))("%s", async (_name, run) => {
      await using harness = await open();
      await run(harness);
    });
  });
}
