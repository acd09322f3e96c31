import { describeConformance } from "../support/describe-conformance.ts";
import {
  openInlineHarness,
  openReopeningHarness,
  openThreadedHarness,
} from "../support/embedded-harness.ts";

describeConformance([
  { name: "embedded, threaded", open: openThreadedHarness },
  { name: "embedded, inline", open: openInlineHarness },
  { name: "embedded, reopened", open: openReopeningHarness },
]);
