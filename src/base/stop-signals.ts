/**
 * Calls `stop` at SIGTERM, at SIGINT and when `signal` aborts, for as long as `act` goes on. A
 * second signal of the operating system ends the process as if nobody listened.
 */
export async function stoppedBySignals(
  stop: () => void,
  signal: AbortSignal | undefined,
  act: () => Promise<void>,
): Promise<void> {
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  try {
    await act();
  } finally {
    process.off("SIGTERM", stop);
    process.off("SIGINT", stop);
    signal?.removeEventListener("abort", stop);
  }
}
