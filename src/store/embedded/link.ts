import type { Worker } from "node:worker_threads";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { startThread } from "../../base/thread.ts";
import { StoreUnavailableError } from "../store-errors.ts";
import { createNotice } from "./notice.ts";
import { packParts } from "./packing.ts";
import type { FromWriter, PackedRequest, Request, ToWriter, WriterOptions } from "./requests.ts";
import type { Tables } from "./tables.ts";
import { WriteLoop } from "./write-loop.ts";
import type { Writer, WriterLink } from "./writer.ts";

/** A thread that does not end by itself is given up after this. */
const CLOSE_MS_MAX = 10_000;

/** Starts the writing thread; resolves when it has opened the store. */
export async function startWriterThread(options: WriterOptions): Promise<Worker> {
  const worker = startThread(new URL("./writer-thread.ts", import.meta.url), options);
  await new Promise<void>((resolve, reject) => {
    const fail = (reason: unknown) =>
      reject(
        new StoreUnavailableError(
          `The embedded store's writer thread did not start: ${String(reason)}`,
          "no",
          reason,
        ),
      );
    worker.once("message", () => resolve());
    worker.once("error", fail);
    worker.once("exit", (code) => fail(`it ended with code ${code}.`));
  });
  return worker;
}

/** Connects a writer with its thread. An idle thread does not keep the process alive. */
export function threadLink(
  worker: Worker,
  clock: Clock,
  writer: Writer,
  onChange: () => void,
): WriterLink {
  const send = (message: ToWriter, transfer: ArrayBuffer[] = []) =>
    worker.postMessage(message, transfer);
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.on("message", (message: FromWriter) => {
    if (message.kind === "answers") writer.settle(message.answers);
    else onChange();
  });
  worker.on("error", (error) => writer.lose(String(error)));
  worker.on("exit", () => writer.lose("its thread is gone"));
  worker.unref();
  return {
    send: (requests) => {
      const packed = requests.map(packRequest);
      const buffers = packed.flatMap((each) =>
        each.op === "commit" ? [each.packed.values.buffer] : [],
      );
      send({ kind: "requests", requests: packed }, buffers);
    },
    hold: (awaited) => (awaited ? worker.ref() : worker.unref()),
    close: async () => {
      worker.ref();
      send({ kind: "close" });
      const { promise: late, cancel } = timer(clock, CLOSE_MS_MAX);
      await Promise.race([ended, late]);
      cancel();
      // It hangs in the system. Ending it would wait for that, too.
      worker.unref();
    },
  };
}

function packRequest(request: Request): PackedRequest {
  return request.op === "commit" ? { op: "commit", packed: packParts(request.parts) } : request;
}

/** Lets a writer write in this thread, with its own handle of the store. */
export function inlineLink(
  tables: Tables,
  options: WriterOptions & { readonly clock: Clock; readonly random: Random },
  writer: Writer,
  onChange: () => void,
): WriterLink {
  const notice = createNotice(options.directory);
  const loop = new WriteLoop(tables, {
    clock: options.clock,
    random: options.random,
    historyMs: options.historyMs,
    onAnswers: (answers) => writer.settle(answers),
    onChange: () => {
      notice.send();
      onChange();
    },
  });
  loop.start();
  return {
    send: (requests) => loop.push(requests),
    hold: () => {},
    close: async () => {
      loop.close();
      notice.close();
    },
  };
}

function timer(clock: Clock, ms: number): { promise: Promise<void>; cancel: () => void } {
  let cancel = () => {};
  const promise = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  return { promise, cancel };
}
