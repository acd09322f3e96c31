import { isIPv6 } from "node:net";
import { EtaskError } from "../base/errors.ts";
import { shown } from "../base/options.ts";

/** A store URL is malformed. The message shows the forms that are allowed; never a password. */
export class StoreUrlError extends EtaskError {
  readonly code = "STORE_URL";
}

/** Where a store is, read from its URL. */
export type StoreLocation =
  | { readonly driver: "memory" }
  | { readonly driver: "embedded"; readonly directory: string }
  | EtcdLocation;

/** Where an etcd is, and as whom to speak to it. */
export interface EtcdLocation {
  readonly driver: "etcd";
  readonly endpoints: readonly { readonly host: string; readonly port: number }[];
  /** Without slashes at its ends. */
  readonly namespace: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Present for `etcds:`; its members are file paths. */
  readonly tls:
    | {
        readonly ca: string | undefined;
        readonly cert: string | undefined;
        readonly key: string | undefined;
        readonly serverName: string | undefined;
      }
    | undefined;
  /** What the servers' `--quota-backend-bytes` says, where they do not tell it themselves. */
  readonly quotaBytes: number | undefined;
}

/** Begins every key of etask on an etcd whose URL names no namespace. */
export const DEFAULT_NAMESPACE = "etask";

const FORMS =
  "Store URLs are memory:, embedded:DIRECTORY, etcd://HOST:PORT[,HOST:PORT…][/NAMESPACE] and " +
  "etcds://[USER:PASSWORD@]HOST:PORT…[/NAMESPACE][?ca=FILE&cert=FILE&key=FILE&serverName=NAME]; " +
  "the last two take quota=SIZE, such as quota=4GiB.";
const ETCD = /^(etcds?):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^@?#]*))?(?:\?([^#]*))?$/;
const HOST = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const NAMESPACE = /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
const NOT_ENCODED =
  "user and password must be percent-encoded, with %40 for @, %2F for / and so on";
const NAMESPACE_LENGTH_MAX = 128;
const TLS_PARAMETERS = ["ca", "cert", "key", "serverName"];
const PARAMETERS = [...TLS_PARAMETERS, "quota"];
const SIZE = /^(\d{1,15})(KiB|MiB|GiB)?$/;
const UNITS = ["KiB", "MiB", "GiB"];

/**
 * @throws StoreUrlError (`STORE_URL`) saying what is wrong with the URL and which forms there are.
 */
export function parseStoreUrl(url: string): StoreLocation {
  if (typeof url !== "string") throw malformed(`it must be a text; got ${shown(url)}`);
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(url)?.[0];
  const rest = url.slice(scheme?.length);
  switch (scheme) {
    case "memory:":
      if (rest === "") return { driver: "memory" };
      throw malformed("memory: takes nothing after it");
    case "embedded:":
      if (rest !== "" && !rest.includes("\0")) return { driver: "embedded", directory: rest };
      throw malformed("embedded: needs a directory, as in embedded:./.etask");
    case "etcd:":
    case "etcds:":
      return parseEtcdUrl(scheme, rest);
    case undefined:
      throw malformed("it has no known scheme");
    default:
      throw malformed(`it begins with ${shown(scheme)}, which is no scheme of a store`);
  }
}

/** The URL as it may be shown or logged: without user and password, also when it is malformed. */
export function redactStoreUrl(url: string): string {
  let userInfo = /^([^:]*:\/\/)[^@/?#]*@/;
  try {
    parseStoreUrl(url);
  } catch {
    userInfo = /^([^:]*:\/\/).*@/s;
  }
  return url.replace(userInfo, "$1");
}

function parseEtcdUrl(scheme: "etcd:" | "etcds:", rest: string): EtcdLocation {
  const match = ETCD.exec(scheme + rest);
  try {
    if (match) return etcdLocation(match);
  } catch (error) {
    if (!mayHoldPassword(rest)) throw error;
  }
  if (mayHoldPassword(rest)) throw malformed(NOT_ENCODED);
  throw malformed(rest.includes("#") ? "it must not hold #" : `${scheme} needs //HOST:PORT`);
}

/** A stray @ may end a password that was not encoded: then no part of the URL may be shown. */
function mayHoldPassword(rest: string): boolean {
  return rest.replace(/^\/\/[^@/?#]*@/, "").includes("@");
}

function etcdLocation([, scheme, userInfo, hosts, path, query]: RegExpExecArray): EtcdLocation {
  const namespace = (path ?? "").replace(/\/+$/, "") || DEFAULT_NAMESPACE;
  if (!NAMESPACE.test(namespace) || namespace.length > NAMESPACE_LENGTH_MAX) {
    throw malformed(
      `the namespace must be words of letters, digits and . _ - joined by "/", at most ` +
        `${NAMESPACE_LENGTH_MAX} characters; got ${shown(namespace)}`,
    );
  }
  const parameters = new URLSearchParams(query ?? "");
  for (const [name, value] of parameters) {
    if (!PARAMETERS.includes(name)) throw malformed(`it has an unknown parameter ${shown(name)}`);
    if (value === "") throw malformed(`the parameter "${name}" is empty`);
    if (parameters.getAll(name).length > 1) {
      throw malformed(`the parameter "${name}" is given twice`);
    }
  }
  if (scheme === "etcd" && TLS_PARAMETERS.some((name) => parameters.has(name))) {
    throw malformed("parameters for TLS need the scheme etcds:");
  }
  const file = (name: string) => parameters.get(name) ?? undefined;
  if ((file("cert") === undefined) !== (file("key") === undefined)) {
    throw malformed("cert and key must be given together");
  }
  return {
    driver: "etcd",
    endpoints: (hosts ?? "").split(",").map(endpoint),
    namespace,
    ...credentials(userInfo),
    tls:
      scheme === "etcds"
        ? { ca: file("ca"), cert: file("cert"), key: file("key"), serverName: file("serverName") }
        : undefined,
    quotaBytes: quotaOf(parameters.get("quota")),
  };
}

function quotaOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const [, digits, unit = ""] = SIZE.exec(text) ?? [];
  const bytes = Number(digits) * 1024 ** (UNITS.indexOf(unit) + 1);
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw malformed(`quota must be a number of bytes, or one of KiB, MiB or GiB; got ${shown(text)}`);
}

function endpoint(text: string): { host: string; port: number } {
  const match = HOST.exec(text);
  const port = Number(match?.[2] ?? 2379);
  const host = match?.[1]?.replace(/^\[|\]$/g, "");
  if (!host || port < 1 || port > 65_535 || (text.startsWith("[") && !isIPv6(host))) {
    throw malformed(`${shown(text)} is not HOST:PORT with a port from 1 to 65535`);
  }
  return { host, port };
}

function credentials(userInfo: string | undefined): {
  username: string | undefined;
  password: string | undefined;
} {
  if (userInfo === undefined) return { username: undefined, password: undefined };
  const colon = userInfo.indexOf(":");
  if (colon < 1) throw malformed("before the @ it needs USER:PASSWORD");
  try {
    return {
      username: decodeURIComponent(userInfo.slice(0, colon)),
      password: decodeURIComponent(userInfo.slice(colon + 1)),
    };
  } catch {
    throw malformed(NOT_ENCODED);
  }
}

function malformed(why: string): StoreUrlError {
  return new StoreUrlError(`The store URL is malformed: ${why}. ${FORMS}`);
}
