/**
 * Waits for the end of what a server does in the background.
 *
 * A server that needs long answers `202 Accepted` with a `Location`. That is asked by GET, with
 * pauses, until it answers something else than 202, and this is the answer. The pause is the
 * server's `Retry-After`, else `every`; a 202 may name a new `Location`.
 *
 * Nothing is kept between attempts. When the worker dies here, the next attempt sends the first
 * request again with the same idempotency key, and the server answers with the `Location` that it
 * has. A question without an answer says nothing about the work behind it, so a few in a row are
 * survived; then, or after `max`, the attempt fails and may be made again.
 */
import type { Clock } from "../../base/clock.ts";
import type { TaskContext } from "../../task/context.ts";
import { exchange, getOf } from "./exchange.ts";
import {
  describeRequest,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
} from "./http-client.ts";
import { HttpStatusError, HttpUnreachableError, isRetryable } from "./http-errors.ts";
import { retryAfterMs } from "./retry-after.ts";

/** How {@link poll} asks. */
export interface PollRules {
  readonly everyMs: number;
  readonly maxMs: number;
  readonly redirectsMax: number;
}

const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 300_000;
const MISSES_MAX = 5;

/** Whether there is something to poll for. */
export function isPending(answer: HttpAnswer): boolean {
  return answer.status === 202 && answer.header("location") !== undefined;
}

/**
 * Asks until the work that `accepted` announced has ended, and returns that answer.
 *
 * @throws HttpStatusError with status 202 when it goes on for longer than `maxMs`.
 */
export async function poll(
  client: HttpClient,
  accepted: HttpAnswer,
  rules: PollRules,
  context: Pick<TaskContext, "signal" | "progress">,
  clock: Clock,
): Promise<HttpAnswer> {
  const endsAt = clock.monotonic() + rules.maxMs;
  let next = getOf(accepted.request, accepted.header("location") ?? "");
  let seen: HttpAnswer = accepted;
  for (let misses = 0; ; ) {
    const leftMs = endsAt - clock.monotonic();
    if (leftMs <= 0) throw stillPending(next, rules);
    await clock.sleep(Math.min(pauseOf(seen, rules, clock), leftMs), context.signal);
    const answer = await ask(client, next, rules, context.signal, misses < MISSES_MAX);
    if (answer === undefined || (isRetryable(answer.status) && answer.status !== 202)) {
      misses += 1;
      if (misses > MISSES_MAX && answer) return answer;
      seen = answer ?? seen;
      continue;
    }
    if (answer.status !== 202) return answer;
    misses = 0;
    seen = answer;
    report(answer, context);
    const location = answer.header("location");
    if (location !== undefined) next = getOf(answer.request, location);
  }
}

async function ask(
  client: HttpClient,
  next: HttpRequest,
  { redirectsMax }: PollRules,
  signal: AbortSignal,
  survives: boolean,
): Promise<HttpAnswer | undefined> {
  try {
    return await exchange(client, next, redirectsMax, signal);
  } catch (error) {
    if (survives && error instanceof HttpUnreachableError) return undefined;
    throw error;
  }
}

function pauseOf(answer: HttpAnswer, { everyMs }: PollRules, clock: Clock): number {
  const wished = retryAfterMs(answer.header("retry-after"), clock.now());
  if (wished === undefined) return everyMs;
  return Math.min(Math.max(wished, PAUSE_MS_MIN), PAUSE_MS_MAX);
}

/** A 202 may say how far the work is, as JSON: `{ "progress": 42, "detail": … }`. */
function report({ body }: HttpAnswer, context: Pick<TaskContext, "progress">): void {
  try {
    const { progress, detail } = JSON.parse(body.toString("utf8"));
    if (typeof progress === "number") context.progress(progress, detail);
  } catch {
    // It says nothing that progress can be; how the work ends is what counts.
  }
}

function stillPending(next: HttpRequest, { maxMs }: PollRules): HttpStatusError {
  const message = `${describeRequest(next)} still answered 202 after ${maxMs} ms (option poll.max).`;
  return new HttpStatusError(message, { status: 202, body: "", retryAfterMs: undefined });
}
