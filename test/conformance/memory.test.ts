import { describeConformance } from "../support/describe-conformance.ts";
import { openMemoryHarness, withDecorators } from "../support/store-harness.ts";

describeConformance(withDecorators("memory", openMemoryHarness));
