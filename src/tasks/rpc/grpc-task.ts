import type { StandardSchemaV1 } from "@standard-schema/spec";
import { systemClock } from "../../base/clock.ts";
import { type Duration, durationMs } from "../../base/duration.ts";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireKnownKeys, requireText, shown } from "../../base/options.ts";
import { readTls } from "../../store/etcd/etcd-options.ts";
import type { TaskContext } from "../../task/context.ts";
import { TASK_OPTIONS } from "../../task/enqueue-options.ts";
import { type BaseTask, defineTask, type TaskDefinition } from "../../task/task.ts";
import { ClientPool } from "./client-pool.ts";
import { callGrpc, type GrpcTarget, requestBytes, requestMetadata } from "./grpc-call.ts";
import { type GrpcMessage, type GrpcServiceOptions, loadMethod } from "./grpc-service.ts";
import { type GrpcVerdicts, requireVerdicts } from "./grpc-status.ts";
import type { RpcTlsOptions } from "./rpc-task.ts";

/** What {@link grpcTask} takes. */
export interface GrpcTaskOptions<In, Parsed, Out, Progress>
  extends Omit<TaskDefinition<Parsed, Out, Progress>, "run">,
    GrpcServiceOptions {
  /** Checks the input when the task is enqueued and again before the service is called. */
  readonly input?: StandardSchemaV1<In, Parsed>;
  /** Where the service is, as `host:port`, or what says so for an input. */
  readonly address: string | ((input: Parsed) => string);
  /** The request for an input. Default: the input, which must be an object then. */
  readonly request?: (input: Parsed, context: TaskContext<Progress>) => GrpcMessage;
  /**
   * Of a method that answers with a stream: takes each message as it comes, to report progress for
   * example; the last one is the answer then. Without it the answer is the list of all messages, of
   * which there may be up to 1,000.
   */
  readonly onMessage?: (message: GrpcMessage, context: TaskContext<Progress>) => void;
  /** The task's result for the answer, a message or a list of them. Default: the answer. */
  response?(answer: unknown): Out;
  /** Sent with the request, besides the trace context and `etask-task`, `-attempt`, `-fence`. */
  readonly metadata?: (
    input: Parsed,
    context: TaskContext<Progress>,
  ) => Readonly<Record<string, string>>;
  /**
   * How long one call may take, which the service is told. Default: as long as the attempt; at its
   * end the call is cancelled. From 10 ms to 24 days.
   */
  readonly deadline?: Duration;
  /** Which statuses are worth another attempt. See the guide for the defaults. */
  readonly statuses?: GrpcVerdicts;
  /** Call by TLS; `{}` trusts the authorities that Node.js does. */
  readonly tls?: RpcTlsOptions;
}

const OWN_OPTIONS = [
  ...["proto", "includeDirs", "descriptor", "service", "method", "address", "request"],
  ...["onMessage", "response", "metadata", "deadline", "statuses", "tls"],
];
const OPTIONS = ["name", "input", "progress", ...OWN_OPTIONS, ...TASK_OPTIONS];
const ADDRESS_LENGTH_MAX = 300;
const DEADLINE_MS_MAX = 24 * 86_400_000;

/**
 * A task that calls a method of any gRPC service, one that answers with one message or with a
 * stream of them.
 *
 * ```ts
 * const createVolume = grpcTask({
 *   name: "volume.create",
 *   input: z.object({ pool: z.string(), gib: z.number() }),
 *   proto: "proto/storage.proto",
 *   service: "storage.v1.Volumes",
 *   method: "Create",
 *   address: (input) => `${input.pool}:443`,
 *   tls: {},
 *   retry: { attempts: 5 },
 * });
 * ```
 *
 * Statuses that no repetition mends fail the task at once, others the attempt (`RPC_FAILED`,
 * `RPC_UNAVAILABLE`); a server's `grpc-retry-pushback-ms` is heeded. The metadata `etask-task` is
 * the same for every attempt, so the service can use it as an idempotency key.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when an option is not allowed, the description
 *   cannot be read, or there is no such service or method.
 */
export function grpcTask<In = void, Out = unknown, Progress = unknown, Parsed = In>(
  given: GrpcTaskOptions<In, Parsed, Out, Progress>,
): BaseTask<In, Out, Progress> {
  requireKnownKeys("grpcTask", given, OPTIONS);
  const { service, method, address, deadline, statuses, tls, ...rest } = given;
  const target: GrpcTarget = {
    method: loadMethod(given),
    name: `${service}/${method}`,
    verdicts: requireVerdicts(statuses),
    clock: systemClock,
    deadlineMs:
      deadline === undefined ? undefined : durationMs("deadline", deadline, 10, DEADLINE_MS_MAX),
  };
  requireFunctions(given, target);
  if (typeof address !== "function") requireText("address", address, ADDRESS_LENGTH_MAX);
  const pool = new ClientPool(tls && readTls(tls), systemClock);
  const { proto, includeDirs, descriptor, request, onMessage, response, metadata, ...own } = rest;
  const definition: TaskDefinition<Parsed, Out, Progress> & { input?: StandardSchemaV1 } = {
    ...own,
    run: async (input, context) => {
      const at = typeof address === "function" ? address(input) : address;
      const answer = await pool.use(requireText("address", at, ADDRESS_LENGTH_MAX), (client) =>
        callGrpc(target, client, {
          address: at,
          body: requestBytes(target, request ? request(input, context) : (input ?? {})),
          metadata: requestMetadata(metadata?.(input, context) ?? {}, context),
          signal: context.signal,
          onMessage: onMessage && ((message) => onMessage(message, context)),
        }),
      );
      return (response ? response(answer) : answer) as Out;
    },
  };
  // A producer sees the input as it is before the schema, the handler as it is after it.
  return defineTask(definition) as unknown as BaseTask<In, Out, Progress>;
}

function requireFunctions(given: object, { method, name }: GrpcTarget): void {
  for (const option of ["request", "onMessage", "response", "metadata"]) {
    const value = (given as Record<string, unknown>)[option];
    if (value === undefined || typeof value === "function") continue;
    throw new InvalidOptionsError(`${option} must be a function; got ${shown(value)}.`);
  }
  if (method.responseStream || !Object.hasOwn(given, "onMessage")) return;
  throw new InvalidOptionsError(`onMessage is for streams; ${name} answers with one message.`);
}
