import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const LOOKS_MAX = 1_000;

/** Whether a process runs. One that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits for the end of a process that is nobody's child here; the system tells of none. */
export async function untilDead(pid: number): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    if (!isAlive(pid)) return;
    await sleep(10);
  }
  throw new Error(`Process ${pid} is still there.`);
}
