/**
 * A task that is one HTTP request.
 *
 * One attempt: make the request from the input → send it, following redirects → when the server
 * answers 202 with a `Location`, ask there until the work has ended → the answer is the result.
 * Nothing but the store keeps anything: when the worker dies at any step, the next attempt makes
 * the same request again. Every attempt of a task carries the same `Idempotency-Key`, the task's
 * id, so that the server can tell that it has done the work; and a fence that grows, so that it can
 * refuse an attempt that was overtaken.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { encodeJson, requireJson } from "../../base/json.ts";
import { VERSION } from "../../base/version.ts";
import type { TaskContext } from "../../task/context.ts";
import { type BaseTask, defineTask } from "../../task/task.ts";
import { computed } from "../computed.ts";
import { exchange } from "./exchange.ts";
import { HttpClient, type HttpRequest } from "./http-client.ts";
import {
  type HttpTaskOptions,
  type ResolvedHttpOptions,
  requireHeaders,
  requireSecret,
  requireUrl,
  resolveHttpOptions,
} from "./http-options.ts";
import { isPending, poll } from "./poll.ts";
import { readAnswer } from "./read-answer.ts";
import { signBody } from "./signature.ts";

/**
 * Defines a task that calls a URL, with JSON in and out. Its result is what was answered.
 *
 * Fails for good on a 4xx status, a refused address or a body that is too large or not as
 * announced; on 408, 425, 429, 5xx and broken connections the retry policy decides, and a
 * `Retry-After` is heeded. Change what an error means with `derive({ mapError })`.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function httpTask<Parsed = unknown, Out = unknown, In = Parsed>(
  options: HttpTaskOptions<Parsed, Out, In>,
  { clock }: { readonly clock: Clock } = { clock: systemClock },
): BaseTask<In, Out> {
  const resolved = resolveHttpOptions(options);
  const { url, allowAll, guard, responseTimeoutMs, responseBytesMax } = resolved;
  const trusted = url instanceof URL ? url.origin : undefined;
  const client = new HttpClient({
    guard,
    trusts: ({ origin }) => allowAll || origin === trusted,
    responseTimeoutMs,
    responseBytesMax,
  });
  return defineTask<never, unknown>({
    ...resolved.definition,
    run: (input, context) => call(resolved, client, input, context, clock),
  }) as BaseTask<In, Out>;
}

async function call(
  options: ResolvedHttpOptions,
  client: HttpClient,
  input: unknown,
  context: TaskContext,
  clock: Clock,
): Promise<unknown> {
  const request = await requestOf(options, input, context, clock);
  const { redirects } = options;
  const first = await exchange(client, request, redirects, context.signal);
  if (!options.poll || !isPending(first)) return readAnswer(first, options.output, clock.now());
  const rules = { ...options.poll, redirectsMax: redirects };
  const last = await poll(client, first, rules, context, clock);
  return readAnswer(last, options.output, clock.now());
}

async function requestOf(
  options: ResolvedHttpOptions,
  input: unknown,
  context: TaskContext,
  clock: Clock,
): Promise<HttpRequest> {
  const { url, headers, sign, method } = options;
  const given = typeof headers === "function" ? await headers(input as never) : headers;
  const payload = payloadOf(options, input);
  const secret = typeof sign?.secret === "function" ? await sign.secret() : sign?.secret;
  return computed(() => {
    const { "content-type": type = payload?.type, ...rest } = requireHeaders(given);
    const privateHeaders = { ...rest };
    if (sign) {
      const signature = signBody(requireSecret(secret), payload?.body ?? "", clock.now());
      privateHeaders[sign.header] = signature;
    }
    return {
      method,
      url: url instanceof URL ? url : requireUrl(url(input as never)),
      headers: {
        ...ownHeaders(context),
        ...(payload === undefined || type === undefined ? undefined : { "content-type": type }),
      },
      privateHeaders,
      body: payload?.body,
    };
  });
}

function ownHeaders({ id, attempt, fence, headers }: TaskContext): Record<string, string> {
  const { traceparent, tracestate } = headers;
  return {
    accept: "application/json, text/*;q=0.9, */*;q=0.1",
    "accept-encoding": "identity",
    "user-agent": `etask/${VERSION}`,
    "idempotency-key": id,
    "etask-attempt": `${attempt}`,
    "etask-fence": `${fence}`,
    ...(traceparent === undefined ? undefined : { traceparent }),
    ...(traceparent === undefined || tracestate === undefined ? undefined : { tracestate }),
  };
}

const SENDS_INPUT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

function payloadOf(
  { body, method }: ResolvedHttpOptions,
  input: unknown,
): { readonly body: Uint8Array | string; readonly type: string } | undefined {
  if (!body && !SENDS_INPUT.has(method)) return undefined;
  const value = body ? body(input as never) : input;
  if (value === undefined) return undefined;
  if (body && typeof value === "string") return { body: value, type: "text/plain; charset=utf-8" };
  if (value instanceof Uint8Array) return { body: value, type: "application/octet-stream" };
  requireJson("body", value);
  return { body: encodeJson(value), type: "application/json" };
}
