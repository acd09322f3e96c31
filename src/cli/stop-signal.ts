import type { Clock } from "../base/clock.ts";

/** What the operating system sends to end the program, with the exit codes of a shell. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The name of such a signal. */
export type StopSignalName = keyof typeof SIGNALS;

/** Until it is disposed, signals do not end the program by themselves. */
export interface StopSignal extends Disposable {
  /** Aborts at the first signal; its reason is the signal's name. */
  readonly signal: AbortSignal;
}

/**
 * Signals closer together than this are one: `timeout`, `npx` and others pass on to us what the
 * whole process group was sent already.
 */
const TOGETHER_MS = 500;

/** Catches SIGINT and SIGTERM. The first one asks to stop; another one ends the program at once. */
export function catchStopSignals(clock: Clock): StopSignal {
  const stop = new AbortController();
  let firstAt = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (!stop.signal.aborted) {
      firstAt = clock.monotonic();
      stop.abort(name);
    } else if (clock.monotonic() - firstAt > TOGETHER_MS) {
      process.exit(SIGNALS[name as StopSignalName]);
    }
  };
  const names = Object.keys(SIGNALS) as StopSignalName[];
  for (const name of names) process.on(name, onSignal);
  return {
    signal: stop.signal,
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
