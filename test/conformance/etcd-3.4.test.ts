import { describeConformance } from "../support/describe-conformance.ts";
import { etcdOpener } from "../support/etcd-harness.ts";

describeConformance([{ name: "etcd 3.4", open: etcdOpener({ line: "3.4" }) }]);
