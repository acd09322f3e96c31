import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { createDeferred } from "../../base/deferred.ts";
import { isUnavailable } from "../store-errors.ts";
import type { EtcdAddress, ResolvedEtcdOptions } from "./etcd-options.ts";

const PROBE_MS = 1_000;
/** What an HTTP/2 client says first: the preface and an empty SETTINGS frame. */
const HTTP2_HELLO: Buffer = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const SETTINGS = 4;

/**
 * Whether an opening failed because one side speaks TLS and the other does not. gRPC reports that
 * as a connection that breaks, like any other, so the servers are tried the other way round.
 *
 * @returns the message for the user, or `undefined`.
 */
export async function findTlsMismatch(
  { endpoints, tls, clock }: ResolvedEtcdOptions,
  error: unknown,
): Promise<string | undefined> {
  if (!isUnavailable(error)) return undefined;
  const probe = tls === undefined ? speaksTls : speaksPlainHttp2;
  const speaks = await Promise.all(endpoints.map((endpoint) => probe(endpoint, clock)));
  const found = endpoints[speaks.indexOf(true)];
  if (found === undefined) return undefined;
  const { host, port } = found;
  return tls === undefined
    ? `etcd at ${host}:${port} speaks TLS only: use an etcds:// URL, with ca= for its authority.`
    : `etcd at ${host}:${port} does not speak TLS: use an etcd:// URL, or turn TLS on there.`;
}

function speaksTls({ host, port }: EtcdAddress, clock: Clock): Promise<boolean> {
  // Nothing is sent over this connection; whom we talk to does not matter yet.
  const socket = connectTls({ host, port, rejectUnauthorized: false });
  return answers(socket, clock, (yes) => socket.once("secureConnect", yes));
}

function speaksPlainHttp2({ host, port }: EtcdAddress, clock: Clock): Promise<boolean> {
  const socket = connectPlain({ host, port });
  socket.write(HTTP2_HELLO);
  return answers(socket, clock, (yes, no) => {
    socket.once("data", (bytes) => (bytes[3] === SETTINGS ? yes() : no()));
  });
}

async function answers(
  socket: Socket,
  clock: Clock,
  listen: (yes: () => void, no: () => void) => void,
): Promise<boolean> {
  const result = createDeferred<boolean>();
  const no = () => result.resolve(false);
  listen(() => result.resolve(true), no);
  socket.once("error", no);
  socket.once("close", no);
  const cancelTimer = clock.after(PROBE_MS, no);
  try {
    return await result.promise;
  } finally {
    cancelTimer();
    socket.destroy();
  }
}
