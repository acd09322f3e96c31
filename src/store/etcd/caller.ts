import { setMaxListeners } from "node:events";
import { backoffMs } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import { publish } from "../../base/events.ts";
import type { Random } from "../../base/random.ts";
import { Turnstile } from "../../base/turnstile.ts";
import { StoreClosedError, type StoreError, StoreUnavailableError } from "../store-errors.ts";
import type { Endpoint, EndpointPool, Purpose } from "./endpoints.ts";
import {
  type AuthenticateResponse,
  decodeAuthenticateResponse,
  encodeAuthenticateRequest,
} from "./proto/generated/etcd.ts";
import { isTimeout, judge, storeError, type Verdict, wantsToken } from "./status.ts";
import { type Headers, RpcError } from "./transport.ts";

const PAUSE_FIRST_MS = 25;
const PAUSE_MAX_MS = 1_000;
/**
 * Reads that are under way at once. Thousands would all time out together where a few after the
 * other are quick, and would have commits and leases wait as well.
 */
const READS_AT_ONCE = 256;
const AUTHENTICATE = "Auth/Authenticate";
const READ = "KV/Range";
const ANONYMOUS: Headers = { hasleader: "true" };

/**
 * # How a call is made
 *
 * A call has a budget of time and makes tries within it, each at one server and each with a
 * deadline of its own. After a failed try, `status.ts` says what it means:
 * - surely not applied, or a call that may be repeated: after a short, growing pause with jitter
 *   the next server is tried, until the budget is used up;
 * - not surely unapplied, and the call is a commit: it ends at once with `applied: "unknown"`.
 *   Sending it again takes the witness, and so a decorator above;
 * - the token is unknown to the server (tokens are lost when a member restarts): a new one is
 *   fetched, once per call, together with all calls that wait for the same;
 * - refused for TLS at every server known: it ends at once, since no time will mend that;
 * - anything else is final.
 *
 * Reads wait for their turn when many are under way; their budget runs meanwhile.
 *
 * `hasleader` rides with every call: a server without a leader then refuses it before doing
 * anything, which turns many lost answers into a plain "not applied".
 */
export class Caller {
  readonly #pool: EndpointPool;
  readonly #options: CallerOptions;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #reads = new Turnstile(READS_AT_ONCE);
  #headers: Headers = ANONYMOUS;
  #renewal: Promise<void> | undefined;
  /** Called after a server failed, to look for others. */
  onEndpointFailed: () => void = () => {};

  constructor(pool: EndpointPool, options: CallerOptions) {
    this.#pool = pool;
    this.#options = options;
    // Each call that waits for its next try listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, this.#closing.signal);
  }

  /** What rides with each call and stream now. */
  get headers(): Headers {
    return this.#headers;
  }

  /** Makes a call at whichever server answers and returns the answer. @throws StoreError */
  call<Answer>(call: Call<Answer>): Promise<Answer> {
    if (this.#closing.signal.aborted) return Promise.reject(new StoreClosedError());
    return this.#track(this.#run(call, this.#pool));
  }

  /** The same at one server, with one try. @throws RpcError, or StoreClosedError */
  callAt<Answer>(
    endpoint: Endpoint,
    { method, request, purpose, decode }: Call<Answer>,
  ): Promise<Answer> {
    if (this.#closing.signal.aborted) return Promise.reject(new StoreClosedError());
    const headers = this.#headers;
    const timeoutMs = this.#options.tryMs;
    const transport = endpoint.transport(purpose);
    return this.#track(transport.unary({ method, request, headers, timeoutMs, decode }));
  }

  /**
   * Gets a new token, unless there is a newer one than in `used` already. Without a configured user
   * nothing happens.
   *
   * @throws StoreDeniedError (`STORE_DENIED`) when the password is wrong.
   */
  async renewToken(used: Headers): Promise<void> {
    if (this.#options.credentials === undefined || used !== this.#headers) return;
    this.#renewal ??= this.#authenticate().finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  /** Refuses new calls, cuts pauses short, and waits for tries that are under way. */
  async close(): Promise<void> {
    this.#closing.abort(new StoreClosedError());
    await Promise.allSettled(this.#underWay);
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  #run<Answer>(call: Call<Answer>, pool: EndpointPool): Promise<Answer> {
    const endsAt = this.#options.clock.monotonic() + this.#options.operationMs;
    if (call.method !== READ) return this.#try(call, pool, endsAt);
    return this.#reads.pass(() => {
      this.#closing.signal.throwIfAborted();
      if (this.#options.clock.monotonic() < endsAt) return this.#try(call, pool, endsAt);
      const text = "etcd did not answer the reads before this one in time; it was not sent.";
      throw new StoreUnavailableError(text, "no");
    });
  }

  async #try<Answer>(call: Call<Answer>, pool: EndpointPool, endsAt: number): Promise<Answer> {
    const { clock, tryMs } = this.#options;
    const refusedTls = new Set<Endpoint>();
    // etcd refuses a call with an old token even if it is the one that asks for a new token.
    const first = call.method === AUTHENTICATE;
    let renewed = first;
    for (let tries = 1; ; tries += 1) {
      const endpoint = pool.current(call.purpose);
      const headers = first ? ANONYMOUS : this.#headers;
      const timeoutMs = Math.max(1, Math.min(tryMs, endsAt - clock.monotonic()));
      const transport = endpoint.transport(call.purpose);
      try {
        const { method, request, decode } = call;
        return await transport.unary({ method, request, headers, timeoutMs, decode });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        const verdict = judge(error);
        // The rest of a budget may be too short for any server.
        if (isTimeout(error) && timeoutMs >= tryMs) endpoint.renew(call.purpose, transport);
        const failure = () => this.#failure(call, endpoint, verdict, error, tries);
        if (wantsToken(verdict.kind) && this.#options.credentials && !renewed) {
          renewed = true;
          await this.renewToken(headers);
          continue;
        }
        if (verdict.kind === "unavailable" || verdict.kind === "tls") {
          this.#noteFailed(endpoint, call.purpose, error);
        }
        if (verdict.kind === "tls") refusedTls.add(endpoint);
        if (pool.usable.every((each) => refusedTls.has(each))) throw failure();
        if (!mayRepeat(call, verdict)) throw failure();
        const pauseMs = backoffMs(tries - 1, PAUSE_FIRST_MS, PAUSE_MAX_MS, this.#options.random);
        if (clock.monotonic() + pauseMs >= endsAt) throw failure();
        await clock.sleep(pauseMs, this.#closing.signal);
      }
    }
  }

  #noteFailed(endpoint: Endpoint, purpose: Purpose, error: RpcError): void {
    if (!this.#pool.failed(endpoint)) return;
    publish("etask:store:reconnecting", { endpoint: endpoint.name, purpose, reason: error.text });
    this.onEndpointFailed();
  }

  #failure(
    call: Call<unknown>,
    endpoint: Endpoint,
    verdict: Verdict,
    error: RpcError,
    tries: number,
  ): StoreError {
    const where = `etcd ${call.method} at ${endpoint.name}${tries > 1 ? `, try ${tries}` : ""}`;
    return storeError(verdict, { where, text: error.text, lease: call.lease }, error);
  }

  async #authenticate(): Promise<void> {
    const { credentials } = this.#options;
    if (credentials === undefined) return;
    const call: Call<AuthenticateResponse> = {
      method: AUTHENTICATE,
      request: encodeAuthenticateRequest(credentials),
      decode: decodeAuthenticateResponse,
      purpose: "kv",
      repeatable: true,
    };
    try {
      const { token } = await this.#run(call, this.#pool);
      this.#headers = { ...ANONYMOUS, token };
    } catch (error) {
      const cause = (error as StoreError).cause;
      if (!(cause instanceof RpcError) || judge(cause).kind !== "users-off") throw error;
      publish("etask:store:hazard", {
        endpoint: this.#pool.current("kv").name,
        version: "",
        hazard: "The store URL names a user, but etcd has authentication turned off.",
        advice: "Turn it on (etcdctl auth enable), or take the user out of the URL.",
      });
      this.#headers = { ...ANONYMOUS };
    }
  }
}

/** Time limits, and who we are. */
export interface CallerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly operationMs: number;
  readonly tryMs: number;
  readonly credentials: { readonly name: string; readonly password: string } | undefined;
}

/** One request to whichever server answers. */
export interface Call<Answer> {
  readonly method: string;
  readonly request: Uint8Array;
  readonly decode: (bytes: Uint8Array) => Answer;
  readonly purpose: Purpose;
  /** Whether doing it twice is the same as once. */
  readonly repeatable: boolean;
  /** The lease that it is about, for the error's text. */
  readonly lease?: string | undefined;
}

function mayRepeat({ repeatable }: Call<unknown>, { kind, applied }: Verdict): boolean {
  return (kind === "unavailable" || kind === "tls") && (repeatable || applied === "no");
}
