import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that arrived, with its whole body. */
export interface Arrived {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

type Answer = (request: Arrived, response: ServerResponse, raw: IncomingMessage) => void;

/** A real server on a free port that answers as it is told. */
export class HttpServer implements AsyncDisposable {
  readonly arrived: Arrived[] = [];
  /** How often somebody connected. */
  connections = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(answer: Answer): Promise<HttpServer> {
    const server = createServer();
    const own = new HttpServer(server);
    server.on("connection", () => {
      own.connections += 1;
    });
    server.on("request", async (raw, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of raw) chunks.push(chunk as Buffer);
      const { method = "", url: path = "", headers } = raw;
      const request = { method, path, headers, body: Buffer.concat(chunks).toString("utf8") };
      own.arrived.push(request);
      answer(request, response, raw);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return own;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The server's URL with `path`, under another name of this host if wanted. */
  url(path = "/", host = "127.0.0.1"): string {
    return `http://${host}:${this.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Answers with JSON. */
export function json(response: ServerResponse, value: unknown, status = 200, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}
