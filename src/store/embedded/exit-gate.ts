import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";

/**
 * Keeps the end of the process out of transactions.
 *
 * When the main thread calls `process.exit` or dies of an error, the other threads are stopped
 * wherever they are. One that is stopped within an LMDB transaction never ends: the binding's
 * clean-up waits for a lock that the thread itself holds, and every other process waits for the
 * transaction. So all threads share a gate: who begins a transaction goes in, and the exit handler
 * of the main thread closes it and waits until nobody is inside.
 *
 * `Worker.terminate` gives no such chance: end a thread that has a store open by a message. A
 * signal that kills the process is harmless, the system gives the lock to another process.
 *
 * Each thread goes in before it looks whether the gate is closed, and the handler closes it before
 * it looks who is inside, so one of the two sees the other.
 */
const KEY = "etask:embedded:exit-gate";
const CLOSED = 0;
const INSIDE = 1;

/** An exit is not held up longer than this by a stuck disk. */
const WAIT_MS_MAX = 5_000;

let shared: Int32Array<SharedArrayBuffer> | undefined;

/** Runs `act`, which the end of the process will wait for; throws when that has begun. */
export function insideExitGate<T>(act: () => T): T {
  const gate = exitGate();
  Atomics.add(gate, INSIDE, 1);
  try {
    if (Atomics.load(gate, CLOSED) !== 0) throw new Error("the process is exiting");
    return act();
  } finally {
    Atomics.sub(gate, INSIDE, 1);
    Atomics.notify(gate, INSIDE);
  }
}

/** The gate of this process; threads inherit it from the thread that starts them. */
function exitGate(): Int32Array<SharedArrayBuffer> {
  if (shared !== undefined) return shared;
  const inherited: unknown = getEnvironmentData(KEY);
  if (inherited instanceof SharedArrayBuffer) {
    shared = new Int32Array(inherited);
    return shared;
  }
  const gate = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(KEY, gate.buffer);
  process.on("exit", () => close(gate));
  shared = gate;
  return gate;
}

function close(gate: Int32Array<SharedArrayBuffer>): void {
  Atomics.store(gate, CLOSED, 1);
  for (let inside = Atomics.load(gate, INSIDE); inside > 0; inside = Atomics.load(gate, INSIDE)) {
    if (Atomics.wait(gate, INSIDE, inside, WAIT_MS_MAX) === "timed-out") return;
  }
}
