import { fileURLToPath } from "node:url";
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createDeferred } from "../../../src/base/deferred.ts";

/** The description of the service. */
export const DISKS_PROTO: string = fileURLToPath(new URL("./disks.proto", import.meta.url));

interface FormatRequest {
  readonly device: string;
  readonly size: { readonly bytes: string } | null;
}

/** What the service is asked, and how it answers. */
export interface DisksHandlers {
  format?(request: FormatRequest, call: ServerUnaryCall<FormatRequest, object>): object;
  wipe?(stream: ServerWritableStream<FormatRequest, object>): void;
}

/** A gRPC service as somebody else may have written it. */
export interface DisksServer extends AsyncDisposable {
  readonly address: string;
}

/** An answer that is a status. */
export interface StatusAnswer {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** Starts the service; a handler that throws a {@link StatusAnswer} answers with that. */
export async function startDisks(handlers: DisksHandlers): Promise<DisksServer> {
  const definitions = loadSync(DISKS_PROTO, { longs: String, enums: String });
  const server = new Server();
  server.addService(definitions["fleet.v1.Disks"] as unknown as ServiceDefinition, {
    Format: (call: ServerUnaryCall<FormatRequest, object>, answer: sendUnaryData<object>) => {
      try {
        const reply = handlers.format?.(call.request, call);
        if (reply) answer(null, reply);
      } catch (status) {
        answer(status as StatusAnswer);
      }
    },
    Wipe: (stream: ServerWritableStream<FormatRequest, object>) => handlers.wipe?.(stream),
  });
  const bound = createDeferred<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error ? bound.reject(error) : bound.resolve(port),
  );
  const port = await bound.promise;
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}
