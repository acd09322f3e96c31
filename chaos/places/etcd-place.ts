/**
 * One etcd or a cluster of three on the loopback address, with a proxy between each process and
 * each member, and one before the peer port of each member, which knows who speaks.
 *
 * What members tell clients about each other leads nowhere, so that there is no way past the
 * proxies.
 */
import { openStore } from "../../src/store/open-store.ts";
import { type EtcdServer, startEtcdCluster } from "../../test/support/etcd-server.ts";
import { canTrace } from "../crash/power-loss.ts";
import { type Address, LinkProxy } from "../network/link-proxy.ts";
import { ClientLinks, PeerLinks } from "../network/links.ts";
import { clientFaults } from "./client-faults.ts";
import { diskFaults } from "./disk-faults.ts";
import { memberFaults } from "./member-faults.ts";
import { peerFaults } from "./peer-faults.ts";
import type { Place } from "./place.ts";

const NOWHERE = "http://127.0.0.1:1";
const NAMESPACE = "chaos";
const QUOTA_BYTES = 1_073_741_824;

/** See the essay above. */
export async function etcdPlace(size: 1 | 3, line: "3.4" | "3.5"): Promise<Place> {
  const peers = new PeerLinks();
  const cluster = await startEtcdCluster(size, {
    line,
    quotaBytes: QUOTA_BYTES,
    flags: [`--advertise-client-urls=${NOWHERE}`],
    ...(size > 1 ? { peerRoute: (member, target) => peerRoute(peers, member, target) } : {}),
  });
  const { members } = cluster;
  await nameMembers(peers, members);
  const links = new Map<string, ClientLinks>();
  const direct = `${cluster.url}/${NAMESPACE}`;
  return {
    title: `${size} × etcd ${members[0]?.version}`,
    urlFor: async (actor) => {
      const link = new ClientLinks();
      links.set(actor, link);
      for (const { endpoint } of members) link.proxies.push(await startProxy(endpoint, link));
      const addresses = link.proxies.map(({ address: { host, port } }) => `${host}:${port}`);
      return `etcd://${addresses.join(",")}/${NAMESPACE}`;
    },
    openDirect: () => openStore(direct),
    hands: [
      [
        ...memberFaults(members),
        ...(size > 1 ? peerFaults(members, peers) : []),
        ...((await canTrace()) ? diskFaults(members) : []),
      ],
      clientFaults(links),
    ],
    leases: async () => leasesOf(members),
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
      const proxies = [...links.values()].flatMap((link) => link.proxies);
      const all = [...proxies, ...peers.proxies];
      await Promise.all(all.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}

function startProxy(target: Address, link: ClientLinks): Promise<LinkProxy> {
  return LinkProxy.start(target, {
    flow: (_source, direction) => link.flows[direction],
    refuses: () => link.refused,
  });
}

async function peerRoute(peers: PeerLinks, member: number, target: Address): Promise<Address> {
  const proxy = await LinkProxy.start(target, {
    // Members say who they are in a header of the request with which each connection begins.
    sourceOf: (first) => /^X-Server-From: *([0-9a-f]+)/im.exec(first.toString("latin1"))?.[1],
    flow: (source, direction) => peers.flow(source, member, direction),
    refuses: () => false,
  });
  peers.proxies.push(proxy);
  return proxy.address;
}

async function nameMembers(peers: PeerLinks, members: readonly EtcdServer[]): Promise<void> {
  const text = (await members[0]?.ctl("member", "list", "-w", "simple")) ?? "";
  for (const row of text.trim().split("\n")) {
    const [id = "", , name = ""] = row.split(",").map((cell) => cell.trim());
    peers.name(id, Number(name.slice(1)));
  }
}

async function leasesOf([first]: readonly EtcdServer[]): Promise<readonly string[]> {
  const text = (await first?.ctl("lease", "list")) ?? "";
  return text.split("\n").filter((row) => /^[0-9a-f]{8,}$/.test(row.trim()));
}
