import { describeConformance } from "../support/describe-conformance.ts";
import { openEmbeddedHarness } from "./harness.ts";

describeConformance([
  { name: "embedded, inline", open: () => openEmbeddedHarness("inline") },
  { name: "embedded, with its thread", open: () => openEmbeddedHarness("thread") },
]);
