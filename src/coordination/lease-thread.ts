/** The entry of the thread that `lease-keeper.ts` starts: opens the store again and renews. */
import { workerData } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { runLoop } from "../base/loop.ts";
import { systemRandom } from "../base/random.ts";
import { openStore } from "../store/open-store.ts";
import { LeaseBoard, type LeaseThreadData, renewLease } from "./lease-keeper.ts";

const world = { clock: systemClock, random: systemRandom };
const { url, lease, board } = workerData as LeaseThreadData;
// The thread is ended from outside, so nothing here ever aborts.
const { signal } = new AbortController();

await runLoop("lease-thread", world, signal, async () => {
  await using store = await openStore(url, { inline: true });
  await renewLease(store, lease, new LeaseBoard(board), world, signal);
});
