export type { EtcdEndpointStatus } from "./cluster.ts";
export type { EtcdAddress, EtcdOptions, EtcdTlsOptions } from "./etcd-options.ts";
export type { EtcdStore } from "./etcd-store.ts";
export { openEtcdStore } from "./open.ts";
