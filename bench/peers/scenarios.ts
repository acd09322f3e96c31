import { awaiting } from "./scenarios/awaiting.ts";
import { backlog } from "./scenarios/backlog.ts";
import { bulk } from "./scenarios/bulk.ts";
import { delayed } from "./scenarios/delayed.ts";
import { drain } from "./scenarios/drain.ts";
import { light, steady } from "./scenarios/flow.ts";
import { payload } from "./scenarios/payload.ts";
import { progress } from "./scenarios/progress.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { singles } from "./scenarios/singles.ts";
import { workers } from "./scenarios/workers.ts";

/** Everything that can be measured, in the order in which it is. */
export const SCENARIOS: readonly Scenario[] = [
  singles,
  bulk,
  drain,
  light,
  steady,
  payload,
  workers,
  progress,
  awaiting,
  backlog,
  delayed,
];
