import type { EtcdServer } from "../../test/support/etcd-server.ts";
import type { PeerLinks } from "../network/links.ts";
import type { Fault } from "./place.ts";

type Pair = readonly [from: number, to: number];

/** Partitions between members. */
export function peerFaults(members: readonly EtcdServer[], peers: PeerLinks): Fault[] {
  const indices = members.map((_, index) => index);
  const partition = (kind: string, pairsOf: (one: number, other: number) => Pair[]): Fault => ({
    kind,
    begin: async ({ chance }) => {
      const one = chance.pick(indices);
      const other = chance.pick(indices.filter((index) => index !== one));
      const pairs = pairsOf(one, other);
      for (const [from, to] of pairs) peers.cut(from, to, true);
      const heal = async () => {
        for (const [from, to] of pairs) peers.cut(from, to, false);
      };
      return { what: pairs.map(([from, to]) => `${from} > ${to}`).join(", "), heal };
    },
  });
  const others = (one: number) => indices.filter((index) => index !== one);
  return [
    partition("member isolated", (one) =>
      others(one).flatMap((other): Pair[] => [
        [one, other],
        [other, one],
      ]),
    ),
    partition("member deaf", (one) => others(one).map((other): Pair => [other, one])),
    partition("member mute", (one) => others(one).map((other): Pair => [one, other])),
    partition("link cut", (one, other) => [
      [one, other],
      [other, one],
    ]),
  ];
}
