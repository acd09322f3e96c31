import { validateHeaderName, validateHeaderValue } from "node:http";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Duration, durationMs } from "../../base/duration.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import {
  requireInteger,
  requireKnownKeys,
  requireOneOf,
  requireText,
  shown,
} from "../../base/options.ts";
import { TASK_OPTIONS } from "../../task/enqueue-options.ts";
import { requireSchema } from "../../task/input.ts";
import type { TaskDefinition } from "../../task/task.ts";
import { type AddressGuard, createAddressGuard } from "./address-guard.ts";
import { isHttp } from "./exchange.ts";
import { SIGNATURE_HEADER } from "./signature.ts";

/** The methods that an HTTP task may use. */
export const HTTP_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

/** One of {@link HTTP_METHODS}. */
export type HttpMethod = (typeof HTTP_METHODS)[number];

/** Header names and values; `undefined` leaves one out. */
export type HttpHeaders = Readonly<Record<string, string | undefined>>;

/** What {@link httpTask} takes, beside what every task does. */
export interface HttpTaskOptions<Parsed, Out, In>
  extends Omit<TaskDefinition<Parsed, Out, unknown>, "run" | "progress"> {
  /** Checks the input when the task is enqueued and again before the request. */
  readonly input?: StandardSchemaV1<In, Parsed>;
  /** Checks what was answered, and makes the result of it. */
  readonly output?: StandardSchemaV1<unknown, Out>;
  /**
   * Where to. A text may lead anywhere; what a function returns, and every redirect to another
   * origin, may lead to public addresses only, unless `allowPrivate` says more.
   */
  readonly url: string | ((input: Parsed) => string | URL);
  /** Default `"POST"`. */
  readonly method?: HttpMethod;
  /** Sent to the first origin only, never along with a redirect to another one. */
  readonly headers?: HttpHeaders | ((input: Parsed) => HttpHeaders | Promise<HttpHeaders>);
  /**
   * What is sent: text and bytes as they are, `undefined` for nothing, else JSON. Default: the
   * input, with POST, PUT and PATCH.
   */
  readonly body?: (input: Parsed) => unknown;
  /**
   * Also addresses that are not public: all of them, or a list of hosts (`"intranet"`,
   * `"*.svc.local"`), IP addresses and networks (`"10.1.0.0/16"`). Default `false`.
   */
  readonly allowPrivate?: boolean | readonly string[];
  /** How many redirects are followed. Default 5, at most 20. */
  readonly redirects?: number;
  /** Largest body of an answer. Default 1 MiB, at most 16 MiB. */
  readonly responseBytesMax?: number;
  /**
   * The longest silence of the server, before its answer and within it. Default 5 minutes, at most
   * a day. The option `timeout` limits the attempt as a whole.
   */
  readonly responseTimeout?: Duration;
  /** Signs the body, as {@link verifySignature} checks it. */
  readonly sign?: HttpSignOptions;
  /** How a 202 with a `Location` is followed up; `false` takes it for the answer. */
  readonly poll?: HttpPollOptions | false;
}

/** How an HTTP task signs. */
export interface HttpSignOptions {
  /** Shared with the receiver; a function is called for every attempt. */
  readonly secret: string | (() => string | Promise<string>);
  /** Default `"Etask-Signature"`. */
  readonly header?: string;
}

/** How an HTTP task waits for what the server does in the background. */
export interface HttpPollOptions {
  /** The pause where the server's `Retry-After` names none. Default 2 s, from 50 ms to an hour. */
  readonly every?: Duration;
  /** How long in one attempt. Default an hour, at most 30 days. */
  readonly max?: Duration;
}

/** {@link HttpTaskOptions} with every default filled in and every bound checked. */
export interface ResolvedHttpOptions {
  /** What is left for `defineTask`. */
  readonly definition: Omit<TaskDefinition<never, unknown, unknown>, "run" | "progress">;
  readonly output: StandardSchemaV1 | undefined;
  readonly url: URL | ((input: never) => string | URL);
  readonly method: HttpMethod;
  readonly headers: Record<string, string> | ((input: never) => unknown);
  readonly body: ((input: never) => unknown) | undefined;
  readonly guard: AddressGuard;
  readonly allowAll: boolean;
  readonly redirects: number;
  readonly responseBytesMax: number;
  readonly responseTimeoutMs: number;
  readonly sign: { secret: string | (() => unknown); header: string } | undefined;
  readonly poll: { everyMs: number; maxMs: number } | undefined;
}

const OPTIONS = [
  ...["name", "input", "output", "url", "method", "headers", "body", "allowPrivate", "redirects"],
  ...["responseBytesMax", "responseTimeout", "sign", "poll", ...TASK_OPTIONS],
];
const URL_LENGTH_MAX = 8_192;
const HEADERS_MAX = 64;
const HEADER_LENGTH_MAX = 8_192;
const SECRET_LENGTH_MAX = 1_024;
const REDIRECTS_LIMIT = 20;
const RESPONSE_BYTES_DEFAULT = 1_048_576;
const RESPONSE_BYTES_LIMIT = 16_777_216;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Of the connection, or said by etask itself. */
const RESERVED = new Set([
  ...["host", "connection", "keep-alive", "transfer-encoding", "content-length", "upgrade"],
  ...["te", "trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection"],
  ...["etask-attempt", "etask-fence"],
]);

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed. */
export function resolveHttpOptions<Parsed, Out, In>(
  given: HttpTaskOptions<Parsed, Out, In>,
): ResolvedHttpOptions {
  requireKnownKeys("httpTask", given, OPTIONS);
  const { url, method, headers = {}, body, ...others } = given;
  const { output, allowPrivate = false, redirects, responseBytesMax, ...more } = others;
  const { responseTimeout, sign, poll, ...definition } = more;
  requireSchema(output, "output");
  if (body !== undefined && typeof body !== "function") {
    throw new InvalidOptionsError(`body must be a function of the input; got ${shown(body)}.`);
  }
  return {
    definition,
    output,
    url: typeof url === "function" ? url : requireUrl(url),
    method: requireOneOf("method", method ?? "POST", HTTP_METHODS),
    headers: typeof headers === "function" ? headers : requireHeaders(headers),
    body,
    guard: createAddressGuard(typeof allowPrivate === "boolean" ? [] : allowPrivate),
    allowAll: allowPrivate === true,
    redirects: requireInteger("redirects", redirects ?? 5, 0, REDIRECTS_LIMIT),
    responseBytesMax: requireInteger(
      "responseBytesMax",
      responseBytesMax ?? RESPONSE_BYTES_DEFAULT,
      1,
      RESPONSE_BYTES_LIMIT,
    ),
    responseTimeoutMs: durationMs("responseTimeout", responseTimeout ?? "5m", 1, DAY_MS),
    sign: sign && resolveSign(sign),
    poll: poll === false ? undefined : resolvePoll(poll ?? {}),
  };
}

function resolveSign(given: HttpSignOptions): ResolvedHttpOptions["sign"] {
  requireKnownKeys("sign", given, ["secret", "header"]);
  const { secret, header = SIGNATURE_HEADER } = given;
  if (typeof secret !== "function") requireSecret(secret);
  const [name = ""] = Object.keys(requireHeaders({ [header]: "" }));
  return { secret, header: name };
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`), which does not show the secret. */
export function requireSecret(secret: unknown): string {
  if (typeof secret === "string" && secret.length >= 1 && secret.length <= SECRET_LENGTH_MAX) {
    return secret;
  }
  throw new InvalidOptionsError(
    `sign.secret must be a text of 1 to ${SECRET_LENGTH_MAX} characters, or a function of that; ` +
      `got a ${typeof secret}.`,
  );
}

function resolvePoll(given: HttpPollOptions): ResolvedHttpOptions["poll"] {
  requireKnownKeys("poll", given, ["every", "max"]);
  return {
    everyMs: durationMs("poll.every", given.every ?? "2s", 50, HOUR_MS),
    maxMs: durationMs("poll.max", given.max ?? "1h", 50, 30 * DAY_MS),
  };
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless it is an http or https URL without a
 *   password in it.
 */
export function requireUrl(given: unknown): URL {
  const text = given instanceof URL ? given.href : requireText("url", given, URL_LENGTH_MAX);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !isHttp(url)) {
    const got = url ? `the protocol ${shown(url.protocol)}` : shown(text.split("?")[0]);
    throw new InvalidOptionsError(`url must be an http or https URL; got ${got}.`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new InvalidOptionsError(
      "url must hold no user and password; send them in headers, as authorization.",
    );
  }
  return url;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the header, without its value. */
export function requireHeaders(given: unknown): Record<string, string> {
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new InvalidOptionsError(`headers must be an object of texts; got ${shown(given)}.`);
  }
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  if (entries.length > HEADERS_MAX) {
    throw new InvalidOptionsError(
      `headers may have up to ${HEADERS_MAX} members; got ${entries.length}.`,
    );
  }
  return Object.fromEntries(
    entries.map(([name, value]) => [name.toLowerCase(), requireHeader(name, value)]),
  );
}

function requireHeader(name: string, value: unknown): string {
  if (RESERVED.has(name.toLowerCase())) {
    throw new InvalidOptionsError(`headers must not set ${name}: it is set by etask itself.`);
  }
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value as string);
    if (typeof value === "string" && value.length <= HEADER_LENGTH_MAX) return value;
  } catch {
    // Node's message may show the value, which may be a secret.
  }
  throw new InvalidOptionsError(
    `headers.${name.slice(0, 80)} must be a header's name and a text that a header can hold, of up ` +
      `to ${HEADER_LENGTH_MAX} characters; got a ${typeof value}.`,
  );
}
