import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What the proxy does with bytes. */
export type ProxyMode =
  /** All bytes pass. */
  | "pass"
  /** Connections are accepted and stay open, but no byte passes in either direction. */
  | "blackhole"
  /** What the client says arrives; what the server says does not. */
  | "drop-replies"
  /** New connections are reset. */
  | "refuse";

/** How much of a server's bytes a connection lets pass before it is reset. */
export type Cut =
  | { readonly bytes: number }
  /** Whole HTTP/2 frames; only for plaintext. */
  | { readonly frames: number };

/** A TCP proxy on the loopback address that breaks connections on demand. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  /** Applies at once, also to connections that are open. */
  mode: ProxyMode = "pass";
  /** Asked for each new connection, which are counted from 0. */
  cutOf: (connection: number) => Cut | undefined = () => undefined;
  /** How many connections there have been. */
  connections = 0;

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (client) => this.#join(client));
  }

  static async start(target: { host: string; port: number }): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TcpProxy(server, target);
  }

  get endpoint(): { host: string; port: number } {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  /** Resets all open connections. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    const number = this.connections;
    this.connections += 1;
    if (this.mode === "refuse") {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target);
    const end = () => {
      for (const socket of [client, server]) {
        this.#sockets.delete(socket);
        socket.resetAndDestroy();
      }
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", end);
    }
    client.on("data", (bytes) => {
      if (this.mode !== "blackhole") server.write(bytes);
    });
    const cut = this.cutOf(number);
    const meter = cut && new Meter(cut);
    server.on("data", (bytes) => {
      if (this.mode === "blackhole" || this.mode === "drop-replies") return;
      const passed = meter?.take(bytes) ?? bytes;
      if (passed.length > 0) client.write(passed);
      // The client gets what passed before the reset: `end` flushes, a reset would discard it.
      if (meter?.exhausted) client.end(end);
    });
  }
}

/** Counts a server's bytes or frames. */
class Meter {
  readonly #cut: Cut;
  #passed = 0;
  #frames = 0;
  #header: number[] = [];
  #body = 0;

  constructor(cut: Cut) {
    this.#cut = cut;
  }

  get exhausted(): boolean {
    return "bytes" in this.#cut
      ? this.#passed >= this.#cut.bytes
      : this.#frames >= this.#cut.frames;
  }

  /** The beginning of `bytes` that may pass. */
  take(bytes: Buffer): Buffer {
    let length = 0;
    if ("bytes" in this.#cut) length = Math.min(bytes.length, this.#cut.bytes - this.#passed);
    else while (length < bytes.length && !this.exhausted) length += this.#step(bytes, length);
    this.#passed += length;
    return bytes.subarray(0, length);
  }

  /** Goes on within a frame and returns by how much. */
  #step(bytes: Buffer, at: number): number {
    let step = 1;
    if (this.#header.length < 9) {
      this.#header.push(bytes[at] as number);
      if (this.#header.length < 9) return step;
      const [high = 0, middle = 0, low = 0] = this.#header;
      this.#body = high * 65_536 + middle * 256 + low;
    } else {
      step = Math.min(this.#body, bytes.length - at);
      this.#body -= step;
    }
    if (this.#body === 0) {
      this.#frames += 1;
      this.#header = [];
    }
    return step;
  }
}
