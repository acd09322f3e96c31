import { type ServiceError, status } from "@grpc/grpc-js";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireOneOf, shown } from "../../base/options.ts";
import { textOf, unavailable } from "./grpc-client.ts";
import { RpcFailedError } from "./rpc-errors.ts";

/** The name of a status other than OK. */
export type GrpcStatusName = Exclude<keyof typeof status, "OK">;

/** Whether a status means that another attempt may succeed. */
export type GrpcVerdict = "retry" | "final";

/** By which statuses attempts are judged; what is left out is as by default. */
export type GrpcVerdicts = Readonly<Partial<Record<GrpcStatusName, GrpcVerdict>>>;

const DEFAULTS: Readonly<Record<GrpcStatusName, GrpcVerdict>> = {
  CANCELLED: "retry",
  UNKNOWN: "retry",
  INVALID_ARGUMENT: "final",
  DEADLINE_EXCEEDED: "retry",
  NOT_FOUND: "final",
  ALREADY_EXISTS: "final",
  PERMISSION_DENIED: "final",
  RESOURCE_EXHAUSTED: "retry",
  FAILED_PRECONDITION: "final",
  ABORTED: "retry",
  OUT_OF_RANGE: "final",
  UNIMPLEMENTED: "final",
  INTERNAL: "retry",
  UNAVAILABLE: "retry",
  DATA_LOSS: "final",
  UNAUTHENTICATED: "final",
};

/** How a server says when to try again, in milliseconds; negative for never. */
const PUSHBACK_TRAILER = "grpc-retry-pushback-ms";

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) for what is no status or no verdict. */
export function requireVerdicts(given: unknown = {}): GrpcVerdicts {
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new InvalidOptionsError(
      `statuses must be an object such as { NOT_FOUND: "retry" }; got ${shown(given)}.`,
    );
  }
  for (const [name, verdict] of Object.entries(given)) {
    requireOneOf("a name in statuses", name, Object.keys(DEFAULTS));
    requireOneOf(`statuses.${name}`, verdict, ["retry", "final"]);
  }
  return { ...given };
}

/** The error for a status with which `where` answered, or which stands for no answer. */
export function statusError(where: string, error: ServiceError, verdicts: GrpcVerdicts): Error {
  const name = (status[error.code] ?? "UNKNOWN") as GrpcStatusName;
  const verdict = verdicts[name] ?? DEFAULTS[name];
  if (name === "UNAVAILABLE" && verdict === "retry") return unavailable(where, error);
  const [text] = error.metadata?.get(PUSHBACK_TRAILER) ?? [];
  const pushbackMs = Number(text ?? 0) || 0;
  const facts = {
    status: name,
    final: verdict === "final" || pushbackMs < 0,
    retryAfterMs: Math.max(0, pushbackMs),
  };
  return new RpcFailedError(`${where} answered ${name}: ${textOf(error)}`, facts, { cause: error });
}
