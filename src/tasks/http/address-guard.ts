/**
 * Which addresses a task may connect to (against server-side request forgery).
 *
 * A URL that came from outside, in a task's input or in a redirect, must not lead a worker to
 * services that only its own network can see. So the guard looks at the address that is connected
 * to: an address in the URL itself, or each one that the name resolved to, in the very lookup whose
 * result the socket uses. A name that resolves to something else when it is asked a second time
 * gains nothing.
 *
 * "Public" is what the registries of special-purpose addresses leave over. IPv4 addresses within
 * IPv6 ones (mapped, NAT64, 6to4) are judged as the IPv4 address that they reach.
 */
import { type LookupAddress, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { InvalidOptionsError } from "../../base/errors.ts";
import { shown } from "../../base/options.ts";
import { HttpRefusedAddressError } from "./http-errors.ts";

/** Says for a host, and for the addresses that it resolves to, whether they may be called. */
export interface AddressGuard {
  /** Whether every address of that host is allowed. */
  trusts(host: string): boolean;
  /** Whether that IP address is public, or allowed. */
  admits(address: string): boolean;
}

const ALLOWED_MAX = 100;

const SPECIAL_IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
const special = new BlockList();
for (const [network, prefix] of SPECIAL_IPV4) special.addSubnet(network, prefix, "ipv4");

/** True for an IP address that anybody on the Internet would reach the same host with. */
export function isPublicAddress(address: string): boolean {
  const ipv4 = embeddedIpv4(address);
  if (ipv4 !== undefined) return !special.check(ipv4, "ipv4");
  const [first = 0, second = 0] = ipv6Groups(address);
  const global = first >= 0x2000 && first <= 0x3fff;
  // 2001::/23 is for protocols (Teredo among them), 2001:db8::/32 and 3fff::/20 for documents.
  if (first === 0x2001 && (second < 0x200 || second === 0xdb8)) return false;
  if (first === 0x3fff && second < 0x1000) return false;
  return global;
}

/** The IPv4 address that an address is, or reaches. */
function embeddedIpv4(address: string): string | undefined {
  if (isIP(address) === 4) return address;
  const groups = ipv6Groups(address);
  const head = groups.slice(0, 6).map((group) => group.toString(16));
  const prefix = head.join(":");
  if (prefix === "0:0:0:0:0:ffff" || prefix === "64:ff9b:0:0:0:0") return dotted(groups, 6);
  if (groups[0] === 0x2002) return dotted(groups, 1);
  return undefined;
}

function dotted(groups: readonly number[], at: number): string {
  const [high = 0, low = 0] = groups.slice(at, at + 2);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight groups of an IPv6 address; the URL parser of the platform does the reading. */
function ipv6Groups(address: string): readonly number[] {
  const [bare = ""] = address.split("%");
  const { hostname } = new URL(`http://[${bare}]`);
  const [head = "", tail] = hostname.slice(1, -1).split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
}

/**
 * Creates the guard of `allowPrivate`: hosts (`"intranet"`, `"*.svc.local"`), IP addresses and
 * networks (`"10.1.0.0/16"`) that may be called although they are not public.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the entry that is none of these.
 */
export function createAddressGuard(allowed: readonly string[]): AddressGuard {
  if (!Array.isArray(allowed) || allowed.length > ALLOWED_MAX) {
    throw new InvalidOptionsError(
      `allowPrivate must be true, false or a list of up to ${ALLOWED_MAX} hosts and networks; ` +
        `got ${shown(allowed)}.`,
    );
  }
  const networks = new BlockList();
  const hosts = new Set<string>();
  const suffixes: string[] = [];
  for (const entry of allowed) {
    if (addNetwork(networks, entry)) continue;
    const host = requireHost(entry);
    if (host.startsWith("*.")) suffixes.push(host.slice(1));
    else hosts.add(host);
  }
  return {
    trusts: (host) => hosts.has(host) || suffixes.some((suffix) => host.endsWith(suffix)),
    admits: (address) => {
      if (isPublicAddress(address)) return true;
      const ipv4 = embeddedIpv4(address);
      if (ipv4 !== undefined) return networks.check(ipv4, "ipv4");
      return networks.check(address.split("%")[0] ?? "", "ipv6");
    },
  };
}

function addNetwork(networks: BlockList, entry: unknown): boolean {
  const [, network = "", prefix] = /^([\d.]+|[\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(`${entry}`) ?? [];
  const family = isIP(network);
  if (family === 0) return false;
  const bits = family === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  if (length > bits) throw notAllowed(entry);
  networks.addSubnet(network, length, family === 4 ? "ipv4" : "ipv6");
  return true;
}

function requireHost(entry: unknown): string {
  if (typeof entry === "string" && /^(\*\.)?[a-z\d_]([a-z\d_.-]*[a-z\d])?$/i.test(entry)) {
    return entry.toLowerCase();
  }
  throw notAllowed(entry);
}

function notAllowed(entry: unknown): InvalidOptionsError {
  return new InvalidOptionsError(
    'allowPrivate must name hosts ("intranet", "*.svc.local"), IP addresses or networks ' +
      `("10.1.0.0/16"), without ports; got ${shown(entry)}.`,
  );
}

/** The host of a URL as the guard knows it: no brackets, no dot at the end. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** @throws HttpRefusedAddressError when `host` is an IP address that is not allowed. */
export function requireAdmitted(guard: AddressGuard, host: string): void {
  if (isIP(host) === 0 || guard.trusts(host) || guard.admits(host)) return;
  throw refused(host, host);
}

/** DNS for sockets: answers only with addresses that the guard admits, and fails without any. */
export function guardedLookup(guard: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return callback(error, []);
      const trusted = guard.trusts(hostname.replace(/\.$/, "").toLowerCase());
      const admitted = trusted ? found : found.filter(({ address }) => guard.admits(address));
      const [first] = admitted;
      if (!first) return callback(refused(hostname, found[0]?.address ?? ""), []);
      if (options.all) callback(null, admitted);
      else callback(null, first.address, first.family);
    });
  };
}

function refused(host: string, address: string): HttpRefusedAddressError {
  const what = host === address ? `${host} is` : `${host} resolves to ${address}, which is`;
  return new HttpRefusedAddressError(
    `${what} not a public address, and the URL did not come from the task's definition. ` +
      `If it is meant to be called, list it: allowPrivate: [${JSON.stringify(host)}].`,
  );
}
