import { buildConnector, type Dispatcher, EnvHttpProxyAgent, errors, request } from "undici";
import { EtaskError } from "../../base/errors.ts";
import { type AddressGuard, guardedLookup, hostOf, requireAdmitted } from "./address-guard.ts";
import {
  HttpBadResponseError,
  HttpBodyTooLargeError,
  HttpUnreachableError,
} from "./http-errors.ts";

/** One request on its way to one server. Header names are in lower case. */
export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  /** Sent to whoever is asked. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the definition gave, credentials perhaps: sent to the first origin only. */
  readonly privateHeaders: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | undefined;
}

/** What a server answered, read to its end (or, when it is no success, its beginning). */
export interface HttpAnswer {
  readonly status: number;
  /** What it answers: the last request, where there were redirects. */
  readonly request: HttpRequest;
  readonly body: Buffer;
  /** A header's value, the first one when there are several. */
  header(name: string): string | undefined;
}

/** What an {@link HttpClient} is made of. */
export interface HttpClientOptions {
  readonly guard: AddressGuard;
  /** Whether that URL may lead anywhere, because the program itself names its origin. */
  readonly trusts: (url: URL) => boolean;
  /** The longest silence of a server, before its answer and within it. */
  readonly responseTimeoutMs: number;
  readonly responseBytesMax: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const EXCERPT_BYTES = 4_096;

/**
 * Sends requests, one at a time or many, by undici: connections are kept for a few seconds, the
 * proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`) are used, and where the
 * target is not trusted no socket is opened to an address that the guard does not admit.
 *
 * A proxy resolves names itself. With one, only addresses in URLs are checked here, and what names
 * may lead to is the proxy's to decide.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  #open: Dispatcher | undefined;
  #guarded: Dispatcher | undefined;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /**
   * Sends one request and reads the answer. Redirects are answers like any other.
   *
   * @throws HttpRefusedAddressError, HttpUnreachableError, HttpBodyTooLargeError or
   *   HttpBadResponseError; the signal's reason when it aborts.
   */
  async send(asked: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { method, url, headers, privateHeaders, body } = asked;
    const { responseTimeoutMs } = this.#options;
    try {
      const dispatcher = this.#dispatcherFor(url);
      const response = await request(url, {
        dispatcher,
        method: method as Dispatcher.HttpMethod,
        headers: { ...headers, ...privateHeaders },
        body: body ?? null,
        signal,
        headersTimeout: responseTimeoutMs,
        bodyTimeout: responseTimeoutMs,
      });
      const read = await this.#read(asked, response);
      return {
        status: response.statusCode,
        request: asked,
        body: read,
        header: (name) => [response.headers[name] ?? []].flat()[0],
      };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw asHttpError(error, describeRequest(asked), responseTimeoutMs);
    }
  }

  async #read(asked: HttpRequest, response: Dispatcher.ResponseData): Promise<Buffer> {
    const { body, statusCode, headers } = response;
    // The one who reads learns of it; an error after that has nobody to go to.
    body.on("error", () => {});
    const succeeded = statusCode >= 200 && statusCode < 300;
    const bytesMax = succeeded ? this.#options.responseBytesMax : EXCERPT_BYTES;
    const announced = Number(headers["content-length"] ?? 0);
    const tooLarge = () => {
      body.destroy();
      return new HttpBodyTooLargeError(
        `${describeRequest(asked)} answered with more than ${bytesMax} bytes. Raise ` +
          "responseBytesMax, or have it answer with a reference.",
      );
    };
    if (succeeded && asked.method !== "HEAD" && announced > bytesMax) throw tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) continue;
      if (succeeded) throw tooLarge();
      break;
    }
    return Buffer.concat(chunks).subarray(0, bytesMax);
  }

  #dispatcherFor(url: URL): Dispatcher {
    const { guard, trusts } = this.#options;
    if (trusts(url)) {
      this.#open ??= new EnvHttpProxyAgent({
        connect: { timeout: CONNECT_TIMEOUT_MS },
        proxyTunnel: false,
      });
      return this.#open;
    }
    requireAdmitted(guard, hostOf(url));
    this.#guarded ??= new EnvHttpProxyAgent({
      connect: guardedConnector(guard),
      proxyTunnel: false,
    });
    return this.#guarded;
  }
}

function guardedConnector(guard: AddressGuard): buildConnector.connector {
  const lookup = guardedLookup(guard);
  return buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup });
}

/** A request in an error message: no query, which may hold what is nobody's business. */
export function describeRequest({ method, url }: { method: string; url: URL }): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function asHttpError(error: unknown, what: string, responseTimeoutMs: number): unknown {
  if (error instanceof EtaskError) return error;
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    const text = `${what} answered with something that is not HTTP: ${message}.`;
    return new HttpBadResponseError(text, { cause: error });
  }
  const silent = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT";
  const how = silent ? `it was silent for ${responseTimeoutMs} ms` : message || code;
  return new HttpUnreachableError(`${what} gave no whole answer: ${how}.`, { cause: error });
}
