import { commitCases, partCases } from "./commit-cases.ts";
import { guardCases } from "./guard-cases.ts";
import type { StoreCases } from "./harness.ts";
import { leaseCases } from "./lease-cases.ts";
import { lifecycleCases } from "./lifecycle-cases.ts";
import { limitCases } from "./limit-cases.ts";
import { pastCases, rangeCases } from "./range-cases.ts";
import { watchCases } from "./watch-cases.ts";
import { watchEndCases } from "./watch-end-cases.ts";

export type { StoreCases, StoreHarness } from "./harness.ts";

/**
 * The store contract as cases: what a driver must do to be one. Each wants a fresh, empty store.
 *
 * A case fails by rejecting, and may wait for ever when a driver never delivers: run it under a
 * limit.
 */
export const storeCases: StoreCases = {
  ...guardCases,
  ...commitCases,
  ...partCases,
  ...rangeCases,
  ...pastCases,
  ...watchCases,
  ...watchEndCases,
  ...leaseCases,
  ...limitCases,
  ...lifecycleCases,
};
