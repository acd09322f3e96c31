import { describeConformance } from "../support/describe-conformance.ts";
import { openThreadedHarness } from "../support/embedded-harness.ts";

describeConformance([{ name: "embedded, threaded", open: openThreadedHarness }]);
