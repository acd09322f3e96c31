import { describeConformance } from "../support/describe-conformance.ts";
import { etcdOpener } from "../support/etcd-harness.ts";
import { withDecorators } from "../support/store-harness.ts";

describeConformance(withDecorators("etcd 3.5", etcdOpener({ line: "3.5" })));
