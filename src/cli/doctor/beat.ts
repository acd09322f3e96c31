import { decodeJson } from "../../base/json.ts";
import { HEARTBEAT_MS } from "../../beat/heartbeat.ts";
import type { Entry, Store } from "../../store/store.ts";
import { heartbeatKey, LEADER_KEY } from "../../task/keyspace.ts";
import { type Finding, ok, warning } from "./finding.ts";

/** How late a heartbeat may be seen: a busy store, a pause of the leader. */
const LATE_MS_MAX = 10_000;

/** Whether some Beat leads, and shows that it does. */
export async function checkBeat(store: Store, now: () => number): Promise<Finding> {
  const leader = await store.get(LEADER_KEY);
  const heartbeat = await store.get(heartbeatKey("task/"));
  return beatFinding(leader, heartbeat, now());
}

/**
 * What is to be said of the leader's key and of its last heartbeat. Both were read before `now`, so
 * a heartbeat from this machine's future proves a skew of clocks; one from long ago may also be
 * that of a leader that is stuck.
 */
export function beatFinding(
  leader: Entry | undefined,
  heartbeat: Entry | undefined,
  now: number,
): Finding {
  if (!leader) {
    return warning(
      "beat",
      "nobody keeps time: no delayed task, schedule or retry with a pause goes on, nothing is swept",
      "Start a worker, or `etask beat`.",
    );
  }
  const { id, host, pid } = membersOf(leader);
  const who = `${host ?? "somebody"} (process ${pid ?? "unknown"})`;
  const { at, leader: of } = heartbeat ? membersOf(heartbeat) : {};
  const age = typeof at === "number" && of === id ? now - at : undefined;
  if (age !== undefined && age < -1_000) {
    return warning(
      "beat",
      `${who} leads, and its clock is ahead of this machine's by at least ${seconds(-age)}`,
      "Let every host keep its time by NTP: delayed tasks start by the leader's clock.",
    );
  }
  if (age !== undefined && age > HEARTBEAT_MS + LATE_MS_MAX) {
    return warning(
      "beat",
      `${who} leads, but showed it ${seconds(age)} ago last, by this machine's clock`,
      "Its clock is behind, or the process hangs: compare the clocks, then restart it.",
    );
  }
  return ok("beat", `${who} leads`);
}

function membersOf({ value }: Entry): Readonly<Record<string, unknown>> {
  try {
    return Object(decodeJson(value)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
