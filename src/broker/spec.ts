import { encodeJson, PayloadTooLargeError, requireJson } from "../base/json.ts";
import type { EnqueueRequest } from "../task/enqueuer.ts";
import { encodeRecord, type SpecRecord } from "../task/records.ts";

/** A task's spec, and its bytes as they go into the store. */
export interface EncodedSpec {
  readonly spec: SpecRecord;
  readonly bytes: Buffer;
}

/** What gives a new task its identity. */
export interface SpecFacts {
  /**
   * A fresh ULID: the end of the generated id, or the place in the queue of a task with a given id.
   */
  readonly sequence: string;
  readonly createdAt: number;
  readonly payloadBytesMax: number;
  /** Which of many inputs it is, as in `[3]`; empty for a single one. */
  readonly at: string;
}

/**
 * Makes the spec of a request.
 *
 * @throws NotJsonError (`NOT_JSON`) naming the member of the input that JSON cannot hold.
 * @throws PayloadTooLargeError (`PAYLOAD_TOO_LARGE`) when the input is larger than allowed.
 */
export function encodeSpec(request: EnqueueRequest, facts: SpecFacts): EncodedSpec {
  const { name, input, options } = request;
  if (input !== undefined) requireJson(`input${facts.at}`, input);
  const spec: SpecRecord = {
    id: options.id ?? `${options.idPrefix}${facts.sequence}`,
    name,
    queue: options.queue,
    priority: options.priority,
    ...(input === undefined ? undefined : { input }),
    ...(options.headers && { headers: options.headers }),
    createdAt: facts.createdAt,
    ...(options.id === undefined ? undefined : { sequence: facts.sequence }),
    ...(options.retry && { retry: options.retry }),
    ...(options.retention && { retention: options.retention }),
  };
  const bytes = encodeRecord(spec);
  if (bytes.byteLength > facts.payloadBytesMax) {
    requirePayload(`The input${facts.at} of ${name}`, input, facts.payloadBytesMax);
  }
  return { spec, bytes };
}

/**
 * @throws PayloadTooLargeError (`PAYLOAD_TOO_LARGE`) when `value` as JSON has more than `bytesMax`.
 */
export function requirePayload(what: string, value: unknown, bytesMax: number): void {
  if (value === undefined) return;
  const { byteLength } = encodeJson(value);
  if (byteLength <= bytesMax) return;
  throw new PayloadTooLargeError(
    `${what} has ${byteLength} bytes as JSON; at most ${bytesMax} are allowed. ` +
      "Store it elsewhere and pass a reference, or raise payloadBytesMax (up to 1 MiB).",
  );
}
