/**
 * Tasks that call a URL. The server here is busy at first, works in the background, and checks the
 * signature; the task needs no code for any of that.
 *
 *   node --import tsx examples/http.ts
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createApp } from "etask";
import { httpTask, verifySignature } from "etask/tasks/http";

const SECRET = "known to both sides";

/** What the server has done, by idempotency key. A second request with a key does no more. */
const jobs = new Map<string, { asked: number }>();
let busy = 1;

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const key = String(request.headers["idempotency-key"]);
  const job = jobs.get(key);
  console.log(
    `server: ${request.method} ${request.url}, attempt ${request.headers["etask-attempt"]}`,
  );
  if (request.method === "POST") {
    const signature = String(request.headers["etask-signature"]);
    if (!verifySignature(SECRET, signature, Buffer.concat(chunks))) response.writeHead(403).end();
    else if (busy-- > 0) response.writeHead(503, { "retry-after": "1" }).end("busy");
    else {
      jobs.set(key, job ?? { asked: 0 });
      response.writeHead(202, { location: `/jobs/${encodeURIComponent(key)}` }).end();
    }
  } else if (job && ++job.asked < 3) {
    response.writeHead(202).end(JSON.stringify({ progress: job.asked * 33 }));
  } else {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ receipt: "r-1" }));
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

const charge = httpTask<{ order: string; cents: number }, { receipt: string }>({
  name: "card.charge",
  url: `http://127.0.0.1:${port}/charges`,
  sign: { secret: SECRET },
  poll: { every: "200ms" },
  retry: { attempts: 5 },
});

await using app = await createApp({ tasks: [charge] });
await using worker = app.createWorker();
await worker.start();

const handle = await charge.delay({ order: "o-17", cents: 1_200 });
const { receipt } = await handle.result({ timeout: "30s" });
console.log(`charged once, receipt ${receipt}`);
server.close();
server.closeAllConnections();
