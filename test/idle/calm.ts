/** How busy the machine is, as a test sees it for itself. */
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";

/** Below this the machine is calm: less than four fifths of all limits used here. */
const CALM = 0.45;
const RESUME_S = 15;
/** When others kept the machine busy for so long, they will go on. */
const BUSY_MS = 60_000;
/** What is to be said of a test that could not see more. */
export const ONLY_BUSY =
  "Others kept the machine busy, so it was only seen that idle work stays out.";

/** What all processors have done but for the process `except`, in ticks. */
async function processorTimes(except: number): Promise<{ busy: number; total: number }> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  const ticks = line.split(/ +/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  const stat = await readFile(`/proc/${except}/stat`, "utf8");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")"))
    .split(" ")
    .slice(12, 14)
    .map(Number);
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) - user - system };
}

/** Resolves when all but `except` were calm for {@link RESUME_S} in a row, as of each second. */
async function calmLongEnough(except: number, signal: AbortSignal): Promise<"calm"> {
  for (let calm = 0; calm < RESUME_S; ) {
    const before = await processorTimes(except);
    await wait(1_000, undefined, { signal });
    const now = await processorTimes(except);
    const share = (now.busy - before.busy) / (now.total - before.total);
    calm = share < CALM ? calm + 1 : 0;
  }
  return "calm";
}

/**
 * Waits for what happens once there is room. Returns whether it did; `false` when others kept the
 * machine busy all the time.
 *
 * @throws when the machine was calm for long enough and nothing happened.
 */
export async function happensWhenCalm(except: number, event: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const first = await Promise.race([
    event.then(() => "happened" as const),
    calmLongEnough(except, over.signal),
    wait(BUSY_MS, "busy" as const, { signal: over.signal }),
  ]).finally(() => over.abort());
  expect(first).not.toBe("calm");
  return first === "happened";
}
