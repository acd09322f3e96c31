/** What the operating system sends to end the program, with the exit codes of a shell. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The name of such a signal. */
export type StopSignalName = keyof typeof SIGNALS;

/** Until it is disposed, signals do not end the program by themselves. */
export interface StopSignal extends Disposable {
  /** Aborts at the first signal; its reason is the signal's name. */
  readonly signal: AbortSignal;
}

/** Catches SIGINT and SIGTERM. The first one asks to stop; the second one ends the program at once. */
export function catchStopSignals(): StopSignal {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(SIGNALS[name as StopSignalName]);
    stop.abort(name);
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
