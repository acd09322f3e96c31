import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type MethodDefinition,
  type Options,
  type PackageDefinition,
  type ServiceDefinition,
} from "@grpc/proto-loader";
import { InvalidOptionsError } from "../../base/errors.ts";
import { requireText, shown } from "../../base/options.ts";

/** A message as data that is JSON: 64-bit integers, enums and bytes (in base64) are text. */
export type GrpcMessage = Readonly<Record<string, unknown>>;

/** A method of a service, as a client needs it. */
export type GrpcMethod = MethodDefinition<GrpcMessage, GrpcMessage>;

/** Where a service is described. */
export interface GrpcServiceOptions {
  /** A `.proto` file. This or `descriptor` is needed. */
  readonly proto?: string | URL;
  /** Where imports of `proto` are looked for, besides beside it. */
  readonly includeDirs?: readonly string[];
  /**
   * A `FileDescriptorSet` with all imports, or its file, as `protoc --descriptor_set_out` and
   * `buf build` write it.
   */
  readonly descriptor?: string | URL | Uint8Array;
  /** With its package, as in `fleet.v1.Disks`. */
  readonly service: string;
  readonly method: string;
}

const NAME_LENGTH_MAX = 300;
const NAMES_SHOWN_MAX = 10;
const LOADING: Options = {
  longs: String,
  enums: String,
  bytes: String,
  json: true,
  defaults: true,
};

/**
 * Finds a method that answers with one message or with a stream of them.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming what cannot be read or is not there.
 */
export function loadMethod(given: GrpcServiceOptions): GrpcMethod {
  requireText("service", given.service, NAME_LENGTH_MAX);
  requireText("method", given.method, NAME_LENGTH_MAX);
  const definitions = load(given);
  const service = Object.hasOwn(definitions, given.service)
    ? definitions[given.service]
    : undefined;
  if (!service || !isService(service)) {
    const names = Object.keys(definitions).filter((name) => isService(definitions[name] ?? {}));
    throw missing("service", given.service, names);
  }
  const method = Object.hasOwn(service, given.method) ? service[given.method] : undefined;
  if (!method) throw missing("method", given.method, Object.keys(service));
  if (!method.requestStream) return method as unknown as GrpcMethod;
  throw new InvalidOptionsError(
    `method ${given.method} takes a stream of requests; a task can call methods that take one.`,
  );
}

function load(given: GrpcServiceOptions): PackageDefinition {
  const { proto, descriptor, includeDirs = [] } = given;
  if ((proto === undefined) === (descriptor === undefined)) {
    throw new InvalidOptionsError("grpcTask needs proto or descriptor, one of the two.");
  }
  const option = proto === undefined ? "descriptor" : "proto";
  try {
    if (proto !== undefined) {
      const path = pathOf("proto", proto);
      return loadSync(path, { ...LOADING, includeDirs: [dirname(path), ...includeDirs] });
    }
    const bytes =
      descriptor instanceof Uint8Array ? descriptor : readFileSync(pathOf(option, descriptor));
    return loadFileDescriptorSetFromBuffer(Buffer.from(bytes), LOADING);
  } catch (error) {
    if (error instanceof InvalidOptionsError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidOptionsError(`${option} cannot be read: ${why}.`, { cause: error });
  }
}

function pathOf(option: string, path: unknown): string {
  if (path instanceof URL && path.protocol === "file:") return fileURLToPath(path);
  if (typeof path === "string" && path !== "") return resolve(path);
  throw new InvalidOptionsError(`${option} must name a file; got ${shown(path)}.`);
}

/** Messages and enums have a format; a service is made of methods. */
function isService(definition: object): definition is ServiceDefinition {
  return !("format" in definition);
}

function missing(option: string, given: string, names: readonly string[]): InvalidOptionsError {
  const known = names.slice(0, NAMES_SHOWN_MAX).join(", ") || "none";
  const more = names.length > NAMES_SHOWN_MAX ? ", and more" : "";
  return new InvalidOptionsError(
    `${option} ${shown(given)} is not described there; there is ${known}${more}.`,
  );
}
