import { backoffMs } from "../base/backoff.ts";
import { type LoopWorld, pause } from "../base/loop.ts";
import { isUnavailable } from "../store/store-errors.ts";

const PAUSE_FIRST_MS = 100;
const PAUSE_MAX_MS = 2_000;

/**
 * Calls `act` until it succeeds or fails for good, with pauses that grow from 100 ms to 2 s.
 *
 * `passes` says of an error whether it may pass; by default that is the store being away.
 *
 * @throws every other error, and the passing one when `signal` aborts meanwhile.
 */
export async function untilAnswered<T>(
  act: () => Promise<T>,
  world: LoopWorld,
  signal: AbortSignal,
  passes: (error: unknown) => boolean = isUnavailable,
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      if (!passes(error) || signal.aborted) throw error;
    }
    await pause(world, backoffMs(tries, PAUSE_FIRST_MS, PAUSE_MAX_MS, world.random), signal);
  }
}
