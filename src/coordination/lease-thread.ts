/**
 * The entry of the thread that `lease-keeper.ts` starts: opens the store again, says that it is
 * ready, renews the lease that it is given, and ends when it is told to.
 */
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { createDeferred } from "../base/deferred.ts";
import { systemRandom } from "../base/random.ts";
import { openStore } from "../store/open-store.ts";
import type { Lease } from "../store/store.ts";
import {
  LeaseBoard,
  type LeaseThreadData,
  type LeaseThreadMessage,
  renewLease,
} from "./lease-keeper.ts";

const port = parentPort;
if (!port) throw new Error("lease-thread.ts is the entry of a worker thread.");
const { url, board } = workerData as LeaseThreadData;
const ending = new AbortController();
const given = createDeferred<Lease | undefined>();
port.on("message", (message: LeaseThreadMessage) => {
  if ("keep" in message) given.resolve(message.keep);
  else {
    ending.abort();
    given.resolve(undefined);
  }
});

const store = await openStore(url, { inline: true });
port.postMessage("ready");
const lease = await given.promise;
const world = { clock: systemClock, random: systemRandom };
if (lease) await renewLease(store, lease, new LeaseBoard(board), world, ending.signal);
await store.close();
port.close();
