import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { createNotice } from "./notice.ts";
import { unpackParts } from "./packing.ts";
import type { FromWriter, PackedRequest, Request, ToWriter, WriterOptions } from "./requests.ts";
import { openRoot, openTables } from "./tables.ts";
import { WriteLoop } from "./write-loop.ts";

/**
 * The thread that writes for one opened store. It lives as long as its port: a `close` message lets
 * it finish what it got, close its own handle of the file (a thread that ends with an open one
 * leaves that to the binding's exit hooks), and end by itself. Its errors are the parent's `error`
 * event.
 */
function run({ directory, historyMs }: WriterOptions): void {
  const port = parentPort;
  if (port === null) throw new Error("The writer thread was not started as a thread.");
  const post = (message: FromWriter) => port.postMessage(message);
  const root = openRoot(directory);
  const notice = createNotice(directory);
  const loop = new WriteLoop(openTables(directory, root), {
    clock: systemClock,
    random: systemRandom,
    historyMs,
    onAnswers: (answers) => post({ kind: "answers", answers }),
    onChange: () => {
      notice.send();
      post({ kind: "changed" });
    },
  });
  port.on("message", (message: ToWriter) => {
    if (message.kind === "requests") return loop.push(message.requests.map(unpackRequest));
    loop.close();
    notice.close();
    void root.close().then(() => port.close());
  });
  loop.start();
  post({ kind: "ready" });
}

function unpackRequest(request: PackedRequest): Request {
  return request.op === "commit" ? { op: "commit", parts: unpackParts(request.packed) } : request;
}

run(workerData as WriterOptions);
