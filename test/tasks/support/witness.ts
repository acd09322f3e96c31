import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";

/** Notices processes by the connections that they hold: the kernel closes them at the end. */
export class Witness implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #seen = Promise.resolve();
  #note: () => void = () => {};

  private constructor(server: Server) {
    this.#server = server;
    this.#await();
    server.on("connection", (socket) => {
      socket.on("error", () => {}).resume();
      this.#sockets.push(socket);
      this.#note();
      this.#await();
    });
  }

  static async open(): Promise<Witness> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Witness(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** JavaScript that a program runs in order to be seen; it ends with the witness. */
  get greeting(): string {
    const leave = '.on("close", () => process.exit())';
    return `require("net").connect(${this.port}, "127.0.0.1")${leave}`;
  }

  /** Resolves when that many processes have come. */
  async arrived(count: number): Promise<void> {
    while (this.#sockets.length < count) await this.#seen;
  }

  /** Resolves when all that came are gone. */
  async gone(): Promise<void> {
    await Promise.all(this.#sockets.map((each) => (each.closed ? undefined : once(each, "close"))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #await(): void {
    this.#seen = new Promise((resolve) => {
      this.#note = resolve;
    });
  }
}
