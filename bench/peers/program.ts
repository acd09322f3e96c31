/**
 * The program that produces and works for every contender that has a client for Node:
 * `program.ts MODULE` opens `contenders/MODULE.ts` and does what `protocol.ts` says. It ends when
 * its input ends, so nothing is left when the process that measures dies.
 */
import { createInterface } from "node:readline";
import type { Client, Connection } from "./contender.ts";
import { awaitResults, enqueueBulk, enqueueFlow, enqueueSingles } from "./producing.ts";
import type { Request } from "./protocol.ts";
import { startWorking, type Working } from "./working.ts";

const [module = ""] = process.argv.slice(2);
let client: Client | undefined;
let working: Working | undefined;

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function opened(): Client {
  if (client === undefined) throw new Error("The first command must be open.");
  return client;
}

async function obey(request: Request): Promise<unknown> {
  switch (request.do) {
    case "open": {
      const contender = (await import(`./contenders/${module}.ts`)) as {
        open(connection: Connection): Promise<Client>;
      };
      client = await contender.open(request.connection);
      return null;
    }
    case "prepare":
      await opened().prepare?.(request.queue);
      return null;
    case "enqueue":
      return enqueueSingles(opened(), request);
    case "bulk":
      return enqueueBulk(opened(), request);
    case "flow":
      return enqueueFlow(opened(), request);
    case "await":
      return awaitResults(opened(), request);
    case "work":
      working = await startWorking(opened(), request, (finished) => say({ finished }));
      return null;
    case "stop": {
      const stopped = await working?.stop();
      working = undefined;
      return stopped;
    }
  }
}

process.on("unhandledRejection", (error) => {
  process.stderr.write(`unhandled: ${error instanceof Error ? error.stack : error}\n`);
});
const pending = new Set<Promise<void>>();
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  const answered: Promise<void> = obey(request)
    .then((value) => say({ id: request.id, value: value ?? null }))
    .catch((error: unknown) => {
      say({ id: request.id, error: error instanceof Error ? error.message : String(error) });
    })
    .finally(() => pending.delete(answered));
  pending.add(answered);
}
// Stores that were opened do not matter any more: their servers are removed next.
process.exit(0);
