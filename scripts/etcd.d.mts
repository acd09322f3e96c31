/** The programs of one etcd version. */
export interface EtcdPrograms {
  readonly etcd: string;
  readonly etcdctl: string;
  readonly version: string;
}

/** Finds or installs the programs of a release line. */
export function findEtcd(line: "3.4" | "3.5"): Promise<EtcdPrograms>;

/** A port of the loopback address that was free a moment ago. */
export function freePort(): Promise<number>;
