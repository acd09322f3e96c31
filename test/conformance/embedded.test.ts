import { describeConformance } from "../support/describe-conformance.ts";
import { openInlineHarness, openReopeningHarness } from "../support/embedded-harness.ts";

describeConformance([
  { name: "embedded, inline", open: openInlineHarness },
  { name: "embedded, reopened", open: openReopeningHarness },
]);
