/**
 * # What a server's quota is
 *
 * A store URL that names the quota has the last word. Otherwise servers from 3.6 on tell it in
 * their status, and older ones among the metrics that they serve over HTTP on the port for clients,
 * TLS or not, without asking for a user. Where neither can be had (a firewall, another port for
 * metrics) etcd's default is assumed, and whoever shows the figure can say so.
 *
 * The metrics are 150 KB of text and a quota changes only with a restart of the server: it is asked
 * for once in {@link KNOWN_MS}, and after a failure once in {@link UNKNOWN_MS}.
 */
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Clock } from "../../base/clock.ts";
import type { Endpoint } from "./endpoints.ts";
import type { TlsMaterial } from "./etcd-options.ts";

const KNOWN_MS = 600_000;
const UNKNOWN_MS = 60_000;
const ANSWER_MS = 2_000;
const ANSWER_BYTES_MAX = 4_194_304;
const DEFAULT_BYTES = 2 * 1024 ** 3;
const METRIC = /^etcd_server_quota_backend_bytes (\S+)\n/m;

/** Where a server stops taking writes. */
export interface Quota {
  /** `undefined` when the quota is turned off. */
  readonly bytes: number | undefined;
  /** Who says so; `"assumed"`: nobody, it is etcd's default. */
  readonly source: "url" | "server" | "assumed";
}

/** See the essay above. */
export class QuotaReader {
  readonly #clock: Clock;
  readonly #tls: TlsMaterial | undefined;
  readonly #given: number | undefined;
  readonly #read = new Map<Endpoint, { readonly quota: Quota; readonly until: number }>();

  constructor(options: { clock: Clock; tls: TlsMaterial | undefined; given: number | undefined }) {
    this.#clock = options.clock;
    this.#tls = options.tls;
    this.#given = options.given;
  }

  /** The quota of a server whose status tells `told`, which is 0 before 3.6. Never rejects. */
  async of(endpoint: Endpoint, told: number): Promise<Quota> {
    if (this.#given !== undefined) return { bytes: this.#given, source: "url" };
    if (told !== 0) return fromServer(told);
    const now = this.#clock.monotonic();
    const known = this.#read.get(endpoint);
    if (known && known.until > now) return known.quota;
    const bytes = await readMetric(endpoint, this.#tls).catch(() => undefined);
    const quota = bytes === undefined ? ASSUMED : fromServer(bytes);
    this.#read.set(endpoint, { quota, until: now + (bytes === undefined ? UNKNOWN_MS : KNOWN_MS) });
    return quota;
  }
}

const ASSUMED: Quota = { bytes: DEFAULT_BYTES, source: "assumed" };

/** etcd takes 0 for its default, and a negative number for no quota at all. */
function fromServer(bytes: number): Quota {
  return { bytes: bytes < 0 ? undefined : bytes || DEFAULT_BYTES, source: "server" };
}

async function readMetric(
  { host, port }: Endpoint,
  tls: TlsMaterial | undefined,
): Promise<number | undefined> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // No agent: a connection that is kept would keep the process alive.
    const options = { host, port, path: "/metrics", timeout: ANSWER_MS, agent: false };
    const { serverName, ...material } = tls ?? {};
    const named = serverName === undefined ? undefined : { servername: serverName };
    const request = tls
      ? requestHttps({ ...options, ...material, ...named })
      : requestHttp(options);
    request.once("response", resolve);
    request.once("error", reject);
    request.once("timeout", () => request.destroy(new Error("no answer in time")));
    request.end();
  });
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (text.length > ANSWER_BYTES_MAX) break;
  }
  const bytes = Number(METRIC.exec(text)?.[1]);
  return Number.isFinite(bytes) ? bytes : undefined;
}
