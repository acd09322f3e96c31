import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireInteger, requireKnownKeys } from "../../base/options.ts";
import { type Random, systemRandom } from "../../base/random.ts";

/** Where an etcd cluster is and how to talk to it. */
export interface EtcdOptions {
  /** Members to begin with; the others are found through them. At least one. */
  readonly endpoints: readonly EtcdAddress[];
  /** Speak TLS. All files are PEM. */
  readonly tls?: EtcdTlsOptions | undefined;
  /** With `password`, for an etcd that has users; a certificate's common name needs neither. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Send the password over plaintext to hosts that are not this one. Default false. */
  readonly insecure?: boolean | undefined;
  /** Look for further members of the cluster. Default true. */
  readonly discover?: boolean | undefined;
  /** What `--quota-backend-bytes` says. Default: what the servers say, else etcd's own default. */
  readonly quotaBytes?: number | undefined;
  /** The URL that says the same; it becomes `store.url`. */
  readonly url?: string | undefined;
  /** Milliseconds for one operation with all its tries, 100 to 600 000. Default 10 000. */
  readonly operationMs?: number | undefined;
  /** Milliseconds for one try at one server, 50 to 60 000. Default 3 000. */
  readonly tryMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** One etcd server. */
export interface EtcdAddress {
  readonly host: string;
  readonly port: number;
}

/** The files for TLS. */
export interface EtcdTlsOptions {
  /** The file of authorities to trust; by default those of Node.js. */
  readonly ca?: string | undefined;
  /** The file of the client's certificate, when the server asks for one. Needs `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the server's certificate must have, when it is not the host's. */
  readonly serverName?: string | undefined;
}

/** The files of {@link EtcdTlsOptions}, read. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

/** Checked options with all defaults in place. */
export interface ResolvedEtcdOptions {
  readonly endpoints: readonly EtcdAddress[];
  readonly tls: TlsMaterial | undefined;
  readonly credentials: { readonly name: string; readonly password: string } | undefined;
  readonly discover: boolean;
  readonly quotaBytes: number | undefined;
  readonly url: string | undefined;
  readonly operationMs: number;
  readonly tryMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const OPTIONS = [
  ...["endpoints", "tls", "username", "password", "insecure", "discover"],
  ...["quotaBytes", "url"],
  ...["operationMs", "tryMs", "clock", "random"],
];

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option; nothing has been sent then.
 */
export function resolveEtcdOptions(given: EtcdOptions): ResolvedEtcdOptions {
  requireKnownKeys("openEtcdStore", given, OPTIONS);
  if (!Array.isArray(given.endpoints) || given.endpoints.length === 0) {
    throw new InvalidOptionsError("endpoints must name at least one etcd server.");
  }
  for (const { host, port } of given.endpoints) {
    if (host === "") throw new InvalidOptionsError("endpoints has a server without a host.");
    requireInteger("endpoints.port", port, 1, 65_535);
  }
  const credentials = resolveCredentials(given);
  const exposed = given.endpoints.find(({ host }) => !isLoopback(host));
  if (credentials && !given.tls && exposed && given.insecure !== true) {
    throw new InvalidOptionsError(
      `A password must not travel in plaintext to ${exposed.host}: use etcds:// (TLS), or ` +
        "reach it over the loopback address, through a tunnel for example.",
    );
  }
  return {
    endpoints: given.endpoints,
    tls: given.tls && readTls(given.tls),
    credentials,
    discover: given.discover ?? true,
    quotaBytes:
      given.quotaBytes === undefined
        ? undefined
        : requireInteger("quotaBytes", given.quotaBytes, 1, Number.MAX_SAFE_INTEGER),
    url: given.url,
    operationMs: requireInteger("operationMs", given.operationMs ?? 10_000, 100, 600_000),
    tryMs: requireInteger("tryMs", given.tryMs ?? 3_000, 50, 60_000),
    clock: given.clock ?? systemClock,
    random: given.random ?? systemRandom,
  };
}

/** Whether `host` is this machine by its very name. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function resolveCredentials({
  username,
  password,
}: EtcdOptions): ResolvedEtcdOptions["credentials"] {
  if (username === undefined && password === undefined) return undefined;
  if (username && password !== undefined) return { name: username, password };
  throw new InvalidOptionsError("username and password must be given together.");
}

/**
 * Reads the files of `tls`.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the one that cannot be used.
 */
export function readTls(given: EtcdTlsOptions): TlsMaterial {
  requireKnownKeys("tls", given, ["ca", "cert", "key", "serverName"]);
  const { ca, cert, key, serverName } = given;
  if ((cert === undefined) !== (key === undefined)) {
    throw new InvalidOptionsError("tls.cert and tls.key must be given together.");
  }
  const material: TlsMaterial = {
    ...(ca !== undefined && { ca: readAuthorities("tls.ca", ca) }),
    ...(cert !== undefined && { cert: readPem("tls.cert", cert) }),
    ...(key !== undefined && { key: readPem("tls.key", key) }),
    ...(serverName !== undefined && { serverName }),
  };
  try {
    createSecureContext(material);
  } catch (error) {
    throw new InvalidOptionsError(`The files of tls do not fit together: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  return material;
}

/** OpenSSL takes any text for a list of authorities, and trusts nobody then. */
function readAuthorities(option: string, file: string): Buffer {
  const pem = readPem(option, file);
  try {
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw new InvalidOptionsError(`${option} holds no certificate in PEM: ${file}.`, {
      cause: error,
    });
  }
}

function readPem(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new InvalidOptionsError(`${option} cannot be read: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
