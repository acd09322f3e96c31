import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { systemClock } from "../../base/clock.ts";
import type { TlsMaterial } from "./etcd-options.ts";
import {
  type Duplex,
  type DuplexCall,
  type Headers,
  RpcError,
  type Transport,
  type UnaryCall,
} from "./transport.ts";

/** Largest message that is taken from a server. */
export const RECEIVE_BYTES_MAX = 67_108_864;

const CHANNEL_OPTIONS: ChannelOptions = {
  // Finds a half-open connection under a stream within 13 s. etcd ends the connection of who pings
  // more often than every 5 s, or at all while no call is open: an idle one is found by the next
  // call's deadline instead.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3_000,
  "grpc.keepalive_permit_without_calls": 0,
  "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
  // A second copy of a write is ours to send, with its witness, or not at all.
  "grpc.enable_retries": 0,
  // Otherwise channels to one address share a connection, and a large page delays watch and lease.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  "grpc.dns_min_time_between_resolutions_ms": 2_000,
  "grpc.service_config_disable_resolution": 1,
  // An environment's proxy is for the web; etcd is reached directly.
  "grpc.enable_http_proxy": 0,
};

/** A connection to one etcd server on `@grpc/grpc-js`. Connects at the first call. */
export function createGrpcTransport(address: string, tls: TlsMaterial | undefined): Transport {
  const override = tls?.serverName ? { "grpc.ssl_target_name_override": tls.serverName } : {};
  return new GrpcTransport(
    new Client(address, channelCredentials(tls), { ...CHANNEL_OPTIONS, ...override }),
  );
}

function channelCredentials(tls: TlsMaterial | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca = null, key = null, cert = null } = tls;
  return credentials.createSsl(ca, key, cert);
}

class GrpcTransport implements Transport {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  unary<Answer>(call: UnaryCall<Answer>): Promise<Answer> {
    const { method, request, headers, timeoutMs, decode } = call;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path(method),
        asBuffer,
        decode,
        request,
        metadata(headers),
        // gRPC compares with the wall clock itself, so no other clock will do.
        { deadline: systemClock.now() + timeoutMs },
        (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(error ? rpcError(error) : new RpcError(status.INTERNAL, "no answer"));
        },
      );
    });
  }

  duplex<Message>({ method, headers, decode, onMessage, onEnd }: DuplexCall<Message>): Duplex {
    const stream = this.#client.makeBidiStreamRequest(
      path(method),
      asBuffer,
      decode,
      metadata(headers),
    );
    let ended = false;
    const end = (reason: RpcError) => {
      if (ended) return;
      ended = true;
      onEnd(reason);
    };
    stream.on("data", (message: Message) => {
      if (!ended) onMessage(message);
    });
    stream.on("error", (error: ServiceError) => end(rpcError(error)));
    stream.on("end", () => end(new RpcError(status.UNAVAILABLE, "The server ended the stream.")));
    return {
      send: (message) => {
        if (!ended) stream.write(message);
      },
      cancel: () => stream.cancel(),
    };
  }

  close(): void {
    this.#client.close();
  }
}

function path(method: string): string {
  return `/etcdserverpb.${method}`;
}

function metadata(headers: Headers): Metadata {
  const result = new Metadata();
  for (const [name, value] of Object.entries(headers)) result.set(name, value);
  return result;
}

function rpcError({ code, details, message }: ServiceError): RpcError {
  // grpc-js ends some texts with an empty note about name resolution.
  const text = (details ?? message).replace(/ ?Resolution note: $/, "");
  return new RpcError(code ?? status.UNKNOWN, text);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
