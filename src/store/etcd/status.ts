import { status } from "@grpc/grpc-js";
import type { Applied } from "../../base/errors.ts";
import {
  HistoryLostError,
  InvalidCommitError,
  LeaseLostError,
  StoreDeniedError,
  type StoreError,
  StoreFullError,
  StoreRefusedError,
  StoreUnavailableError,
} from "../store-errors.ts";
import { RpcError } from "./transport.ts";

/**
 * # What a failed call means
 *
 * etcd and gRPC say little by code and the rest by text, so this file reads both; nothing else
 * does. The one question that matters for a write is whether it may have been applied. It is
 * answered "no" only for what is refused before it is proposed to the cluster, or was never sent;
 * for all else, and for anything that this file does not know, the answer is "unknown".
 */
export interface Verdict {
  readonly kind: VerdictKind;
  readonly applied: Applied;
}

/** What is wrong, by what can be done about it. */
export type VerdictKind =
  /** Another try, best at another server, may succeed. */
  | "unavailable"
  /** The token is not known or out of date: get a new one. */
  | "token"
  /** etcd asks for a user, but none is configured. */
  | "user-missing"
  /** Users are off at the server, so there are no tokens. */
  | "users-off"
  /** Wrong password, wrong certificate, no permission. */
  | "denied"
  /** TLS on one side only, or a certificate that is not trusted. */
  | "tls"
  | "full"
  | "lease-lost"
  | "lease-exists"
  /** The revision asked for was compacted. */
  | "compacted"
  /** The answer is larger than a client takes. */
  | "answer-too-large"
  /** The request breaks a rule or limit of the server. */
  | "invalid"
  /** This server must not or cannot be used. */
  | "refused";

type Rule = readonly [code: number | undefined, text: RegExp | undefined, Verdict];

const no = (kind: VerdictKind): Verdict => ({ kind, applied: "no" });
const unknown = (kind: VerdictKind): Verdict => ({ kind, applied: "unknown" });

const TLS_REFUSED =
  /certificate|self-signed|altnames|SSL routines|SSL alert|wrong version number|UNABLE_TO_|CERT_/i;
const NOT_SENT = new RegExp(
  [
    "Waiting for LB pick",
    "waiting for (name resolution|metadata filters)",
    "^Channel closed before call started",
    "^No connection established",
    "^Name resolution failed",
  ].join("|"),
);

/** The first rule that fits decides. */
const RULES: readonly Rule[] = [
  [
    status.UNAVAILABLE,
    new RegExp(`^No connection established.*(${TLS_REFUSED.source})`, "is"),
    no("tls"),
  ],
  [status.UNAVAILABLE, NOT_SENT, no("unavailable")],
  // `hasleader` lets the server refuse before it proposes anything.
  [status.UNAVAILABLE, /etcdserver: (no leader|not capable)/, no("unavailable")],
  [status.UNAVAILABLE, undefined, unknown("unavailable")],
  [status.DEADLINE_EXCEEDED, NOT_SENT, no("unavailable")],
  [status.RESOURCE_EXHAUSTED, /database space exceeded/, unknown("full")],
  [status.RESOURCE_EXHAUSTED, /too many requests/, no("unavailable")],
  [status.RESOURCE_EXHAUSTED, /^Received message larger than max/, unknown("answer-too-large")],
  [status.RESOURCE_EXHAUSTED, /received message larger than max/, no("invalid")],
  [status.UNAUTHENTICATED, undefined, no("token")],
  [status.INVALID_ARGUMENT, /user name is empty/, no("user-missing")],
  [status.INVALID_ARGUMENT, /revision of auth store is old/, no("token")],
  [status.INVALID_ARGUMENT, /authentication failed|user name not found/, no("denied")],
  // So it is for a password given for a user that has none.
  [status.UNKNOWN, /authentication failed/, no("denied")],
  [status.INVALID_ARGUMENT, undefined, no("invalid")],
  [status.PERMISSION_DENIED, undefined, no("denied")],
  [status.NOT_FOUND, /requested lease not found/, no("lease-lost")],
  [status.FAILED_PRECONDITION, /lease already exists/, no("lease-exists")],
  [status.FAILED_PRECONDITION, /authentication is not enabled/, no("users-off")],
  [status.FAILED_PRECONDITION, /learner|not leader/, no("unavailable")],
  [status.OUT_OF_RANGE, /compacted/, no("compacted")],
  // A member that lags behind the one which told the revision.
  [status.OUT_OF_RANGE, /future revision/, no("unavailable")],
  [status.DATA_LOSS, undefined, no("refused")],
  [status.UNIMPLEMENTED, undefined, no("refused")],
];

/**
 * What a failed call means. A server without a leader, for example, is "unavailable", applied "no".
 */
export function judge({ code, text }: RpcError): Verdict {
  for (const [ruleCode, ruleText, verdict] of RULES) {
    if (ruleCode === code && (ruleText === undefined || ruleText.test(text))) return verdict;
  }
  return unknown("unavailable");
}

/**
 * Whether a new token may help. Also when the server was told no user at all: users may have been
 * turned on after the store was opened.
 */
export function wantsToken(kind: VerdictKind): boolean {
  return kind === "token" || kind === "user-missing";
}

/** Whether the server did not answer in time. */
export function isTimeout({ code }: RpcError): boolean {
  return code === status.DEADLINE_EXCEEDED;
}

/** The error of a stream on which the server says nothing. */
export function silence(text: string): RpcError {
  return new RpcError(status.DEADLINE_EXCEEDED, text);
}

/** The same for the reason text of a watch that the server ended: it has no code of its own. */
export function judgeCancelReason(reason: string): VerdictKind {
  if (/permission denied|PermissionDenied/.test(reason)) return "denied";
  if (/user name is empty/.test(reason)) return "user-missing";
  if (/Unauthenticated|invalid auth token|auth store is old/.test(reason)) return "token";
  return "unavailable";
}

/** What the message of an error tells about the call: where it went and how it ended. */
export interface CallStory {
  /** What was to be done, as in `etcd KV/Txn at 10.0.0.1:2379`. */
  readonly where: string;
  readonly text: string;
  /** The lease that the call is about, when it names just one. */
  readonly lease?: string | undefined;
}

/** The contract's error for a verdict that is final. */
export function storeError(
  { kind, applied }: Verdict,
  { where, text, lease }: CallStory,
  cause?: unknown,
): StoreError {
  const said = `${where}: ${text}`;
  switch (kind) {
    case "unavailable":
    case "users-off":
    case "lease-exists":
    case "answer-too-large":
      return new StoreUnavailableError(`etcd did not answer. ${said}`, applied, cause);
    case "token":
    case "denied":
      return new StoreDeniedError(
        "etcd refuses the user, or what the user may do: check the name and password in the " +
          `store URL and the user's roles. ${said}`,
        { cause },
      );
    case "user-missing":
      return new StoreDeniedError(
        "etcd asks for a user: put USER:PASSWORD@ into the store URL, or a client certificate. " +
          said,
        { cause },
      );
    case "tls":
      return new StoreDeniedError(`No TLS connection to etcd. ${tlsAdvice(text)} ${said}`, {
        cause,
      });
    case "full":
      return new StoreFullError(
        "etcd is out of space: delete, compact, defragment each member, then disarm the alarm. " +
          said,
        applied,
        cause,
      );
    case "lease-lost":
      return new LeaseLostError(lease ?? "named in the commit");
    case "compacted":
      return new HistoryLostError(`The revision asked for was compacted. ${said}`, 0);
    case "invalid":
      return new InvalidCommitError(
        "etcd refuses the request as invalid. If the server was started with smaller limits than " +
          `etcd's defaults (--max-txn-ops, --max-request-bytes), raise them. ${said}`,
        { cause },
      );
    case "refused":
      return new StoreRefusedError(`This etcd cannot be used. ${said}`, { cause });
  }
}

function tlsAdvice(text: string): string {
  if (/certificate required|bad certificate/i.test(text)) {
    return "The server asks for a client certificate that it trusts: give cert= and key=.";
  }
  if (/unknown ca/i.test(text)) {
    return "The server does not trust the client certificate: check cert= and key= in the URL.";
  }
  if (/altnames/i.test(text)) {
    return "The server's certificate is for another name: give serverName= in the URL.";
  }
  if (/verify|self-signed|issuer/i.test(text)) {
    return "The server's certificate is not trusted: give its authority as ca= in the URL.";
  }
  return "Check that server and URL agree on TLS (etcds://) and on the certificates.";
}
