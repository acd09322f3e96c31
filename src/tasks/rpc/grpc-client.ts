/** What every client of ours has in common, of agents and of other services. */
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { TlsMaterial } from "../../store/etcd/etcd-options.ts";
import { MESSAGE_BYTES_MAX } from "./protocol.ts";
import { RpcDeniedError, RpcUnavailableError } from "./rpc-errors.ts";

const CHANNEL_OPTIONS: ChannelOptions = {
  // Finds a connection under a call that is only half there. Long, because a method that blocks the
  // event loop of its process answers no ping and is not dead; death is told by the agent's lease.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 0,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // Then gRPC repeats only what no server has begun to process; the rest is the retry policy's.
  "grpc.service_config_disable_resolution": 1,
  // An environment's proxy is for the web.
  "grpc.enable_http_proxy": 0,
};

/** A client that connects at its first call. */
export function createClient(address: string, tls: TlsMaterial | undefined): Client {
  const override = tls?.serverName ? { "grpc.ssl_target_name_override": tls.serverName } : {};
  return new Client(address, channelCredentials(tls), { ...CHANNEL_OPTIONS, ...override });
}

function channelCredentials(tls: TlsMaterial | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca = null, key = null, cert = null } = tls;
  return credentials.createSsl(ca, key, cert);
}

/** What a failed call says, without what gRPC adds about name resolution. */
export function textOf({ details, message }: ServiceError): string {
  return (details || message).replace(/ ?Resolution note: ?$/, "");
}

const TLS_REFUSED =
  /certificate|self-signed|altnames|SSL routines|SSL alert|wrong version number|UNABLE_TO_|CERT_/i;

/** Whether there was no connection because the two sides do not agree on TLS. */
export function isDenied(error: ServiceError): boolean {
  return error.code === status.UNAVAILABLE && TLS_REFUSED.test(textOf(error));
}

/** The error for a call that did not reach `where`, or whose connection broke. */
export function unavailable(where: string, error: ServiceError): Error {
  const said = textOf(error);
  if (isDenied(error)) {
    return new RpcDeniedError(
      `No connection by TLS to ${where}: check that both sides use it, and their certificates. ` +
        said,
      { cause: error },
    );
  }
  return new RpcUnavailableError(`No connection to ${where}, or it broke. ${said}`, {
    cause: error,
  });
}
