import {
  describeRequest,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
} from "./http-client.ts";
import { HttpBadResponseError, HttpRefusedAddressError } from "./http-errors.ts";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const URL_LENGTH_MAX = 8_192;

/**
 * Sends a request and follows redirects as browsers do: 303, and 301 and 302 of a POST, become a
 * GET without a body; 307 and 308 send the same once more. Another origin gets neither the headers
 * that the definition gave nor the signature. From https to http is refused.
 *
 * @throws what {@link HttpClient.send} does; HttpBadResponseError for more than `redirectsMax`.
 */
export async function exchange(
  client: HttpClient,
  first: HttpRequest,
  redirectsMax: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  let asked = first;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await client.send(asked, signal);
    const location = answer.header("location");
    if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
    if (redirects >= redirectsMax) {
      throw new HttpBadResponseError(
        `${describeRequest(first)} leads from one redirect to the next; ${redirectsMax} are ` +
          "followed (option redirects).",
      );
    }
    asked = redirected(asked, answer.status, location);
  }
}

function redirected(asked: HttpRequest, status: number, location: string): HttpRequest {
  const { method } = asked;
  const becomesGet = status === 303 ? method !== "HEAD" : status < 303 && method === "POST";
  return becomesGet ? getOf(asked, location) : { ...asked, ...target(asked, location) };
}

/** Asks for what a response's `Location` names, the way its request was asked. */
export function getOf(asked: HttpRequest, location: string): HttpRequest {
  const { "content-type": _ofTheBody, ...headers } = asked.headers;
  const next = target(asked, location);
  return { method: "GET", headers, body: undefined, ...next };
}

/** The URL of a `Location`, and which of the private headers go there. */
function target(asked: HttpRequest, location: string): Pick<HttpRequest, "url" | "privateHeaders"> {
  const what = `${describeRequest(asked)} leads to`;
  const url = URL.canParse(location, asked.url.href) ? new URL(location, asked.url) : undefined;
  if (!url || location.length > URL_LENGTH_MAX || !isHttp(url)) {
    throw new HttpBadResponseError(`${what} something that is no http or https URL.`);
  }
  if (asked.url.protocol === "https:" && url.protocol === "http:") {
    throw new HttpRefusedAddressError(`${what} ${url.origin}, from https down to http: refused.`);
  }
  url.username = "";
  url.password = "";
  return { url, privateHeaders: url.origin === asked.url.origin ? asked.privateHeaders : {} };
}

/** Whether the URL is one that this kind of task can call. */
export function isHttp({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}
