/** The entry of the thread that `lease-keeper.ts` starts: opens the store again and renews. */
import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { openStore } from "../store/open-store.ts";
import type { Lease } from "../store/store.ts";
import { LeaseBoard, type LeaseThreadData, renewLease } from "./lease-keeper.ts";

if (!parentPort) throw new Error("lease-thread.ts is the entry of a worker thread.");
const { url, board } = workerData as LeaseThreadData;
const store = await openStore(url, { inline: true });
parentPort.postMessage("ready");
const [lease] = (await once(parentPort, "message")) as [Lease];
const world = { clock: systemClock, random: systemRandom };
// The thread is ended from outside, so the renewals never are.
await renewLease(store, lease, new LeaseBoard(board), world, new AbortController().signal);
await store.close();
