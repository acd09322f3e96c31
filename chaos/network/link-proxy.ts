/**
 * A TCP proxy on the loopback address whose connections can be made to behave like a bad network.
 *
 * Bytes that are held are delivered later, in order, as TCP does after a partition, or never when
 * the connection is reset first; no byte is ever lost from the middle of a stream. So a request
 * that was given up may still arrive.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What happens to the bytes of one direction. */
export type Flow = "pass" | "hold" | { readonly bytesPerSecond: number };

/** The direction of bytes, as seen from who connects. */
export type Direction = "out" | "back";

/** An address to listen on or to connect to. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How connections fare, asked again whenever {@link LinkProxy.apply} is called. */
export interface LinkRules {
  /** Who speaks, found in the first bytes of a connection; `undefined` when nobody is named. */
  sourceOf?(first: Buffer): string | undefined;
  flow(source: string | undefined, direction: Direction): Flow;
  /** New connections are reset. */
  refuses(): boolean;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  source: string | undefined;
  known: boolean;
  readonly timers: Set<NodeJS.Timeout>;
}

/** See above. */
export class LinkProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: Address;
  readonly #rules: LinkRules;
  readonly #links = new Set<Link>();

  private constructor(server: Server, target: Address, rules: LinkRules) {
    this.#server = server;
    this.#target = target;
    this.#rules = rules;
    server.on("connection", (client) => this.#join(client));
  }

  static async start(target: Address, rules: LinkRules): Promise<LinkProxy> {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new LinkProxy(server, target, rules);
  }

  get address(): Address {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  /** Lets the rules take effect on connections that are open. */
  apply(): void {
    for (const link of this.#links) this.#applyTo(link);
  }

  /** Resets all connections that are open. Returns how many there were. */
  reset(): number {
    const links = [...this.#links];
    for (const link of links) this.#end(link);
    return links.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    client.on("error", () => {});
    if (this.#rules.refuses()) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target);
    const known = this.#rules.sourceOf === undefined;
    const link: Link = { client, server, source: undefined, known, timers: new Set() };
    this.#links.add(link);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => this.#end(link));
    }
    client.on("data", (bytes) => {
      if (!link.known) {
        link.source = this.#rules.sourceOf?.(bytes);
        link.known = true;
      }
      this.#pass(link, client, server, bytes, "out");
    });
    server.on("data", (bytes) => this.#pass(link, server, client, bytes, "back"));
    this.#applyTo(link);
  }

  #pass(link: Link, from: Socket, to: Socket, bytes: Buffer, direction: Direction): void {
    const flow = this.#rules.flow(link.source, direction);
    if (flow === "hold") {
      from.pause();
      from.unshift(bytes);
      return;
    }
    const full = !to.write(bytes);
    if (typeof flow === "object") {
      from.pause();
      const timer = setTimeout(
        () => {
          link.timers.delete(timer);
          this.#applyTo(link);
        },
        (bytes.length / flow.bytesPerSecond) * 1_000,
      );
      link.timers.add(timer);
    } else if (full) {
      from.pause();
      to.once("drain", () => this.#applyTo(link));
    }
  }

  #applyTo(link: Link): void {
    const { client, server, source, known } = link;
    // Who speaks is known once the first bytes are there.
    set(client, !known || this.#rules.flow(source, "out") !== "hold");
    set(server, this.#rules.flow(source, "back") !== "hold");
  }

  #end(link: Link): void {
    if (!this.#links.delete(link)) return;
    for (const timer of link.timers) clearTimeout(timer);
    for (const socket of [link.client, link.server]) socket.resetAndDestroy();
  }
}

function set(socket: Socket, flows: boolean): void {
  if (flows) socket.resume();
  else socket.pause();
}
