import type { Entry, Store } from "../../store/store.ts";
import type { StoreUsage } from "../../store/upkeep.ts";
import { usedShare } from "../../store/upkeep.ts";
import { ADMISSION_KEY } from "../../task/keyspace.ts";
import { error, type Finding, ok, warning } from "./finding.ts";

const WATCHFUL_SHARE = 0.5;

const ADVICE =
  "Running tasks can finish. Space comes back by itself as ended tasks are swept and history is " +
  "compacted; to hurry it, remove tasks, shorten retention or set queues' keep, or raise the " +
  "quota. When the file itself is at the quota, defragment each member.";

/** Whether the store accepts new tasks, and how full it is; nothing for a store without a quota. */
export async function checkSpace(store: Store): Promise<Finding[]> {
  const closed = await store.get(ADMISSION_KEY);
  const usage = await store.upkeep?.usage();
  return spaceFindings(usage, closed);
}

/** What is to be said of a store that is so full, and of the key that refuses new tasks. */
export function spaceFindings(usage: StoreUsage | undefined, closed: Entry | undefined): Finding[] {
  const used = usage && `${mebibytes(usage.usedBytes)} of ${mebibytes(usage.quotaBytes)} in use`;
  if (closed) {
    const now = used ? ` (${used})` : "";
    return [error("space", `nearly full: new tasks are refused${now}`, ADVICE)];
  }
  if (!usage || !used) return [];
  if (usedShare(usage) < WATCHFUL_SHARE) return [ok("space", used)];
  const advice =
    "History is compacted after 30 s now. From 80 % on new tasks are refused: see what is kept.";
  return [warning("space", used, advice)];
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
