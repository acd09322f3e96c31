import { backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { publish } from "./events.ts";
import type { Random } from "./random.ts";

const PAUSE_FIRST_MS = 50;
const PAUSE_MAX_MS = 2_000;

/** What a loop needs from the world. */
export interface LoopWorld {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A background activity that survives its errors: `body` runs until it returns or `signal` aborts.
 * When it throws, the error is published as `etask:loop:failed` and it starts again after a pause
 * that grows from 50 ms to 2 s and is reset by a run of more than 10 s.
 *
 * The promise never rejects; it resolves when the loop has ended.
 */
export async function runLoop(
  name: string,
  world: LoopWorld,
  signal: AbortSignal,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = world.clock.monotonic();
    try {
      await body(signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      publish("etask:loop:failed", { loop: name, error });
    }
    if (world.clock.monotonic() - startedAt > 10_000) failures = 0;
    await pause(world, backoffMs(failures, PAUSE_FIRST_MS, PAUSE_MAX_MS, world.random), signal);
    failures += 1;
  }
}

/** Sleeps, and returns early without an error when `signal` aborts. */
export async function pause(world: LoopWorld, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await world.clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
