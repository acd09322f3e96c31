import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";

/** Limits that no machine is over, so that the test alone says when there is room. */
export const ROOMY = { cpu: 1, memoryFree: 0, eventLoopDelay: "1m" } as const;

/** Processes that keep every processor busy until they are disposed of. */
export interface Hogs extends AsyncDisposable {
  readonly pids: readonly number[];
}

/** Starts as many hogs as there are processors, `each` times, and waits until they run. */
export async function startHogs(each = 1): Promise<Hogs> {
  const program = "process.send(0, () => { for (;;); });";
  const hogs: ChildProcess[] = Array.from({ length: each * availableParallelism() }, () =>
    spawn(process.execPath, ["-e", program], { stdio: ["ignore", "ignore", "inherit", "ipc"] }),
  );
  await Promise.all(hogs.map((hog) => once(hog, "message")));
  return {
    pids: hogs.map(({ pid }) => pid as number),
    [Symbol.asyncDispose]: async () => {
      const running = hogs.filter(({ exitCode, signalCode }) => (exitCode ?? signalCode) === null);
      const exits = running.map((hog) => once(hog, "exit"));
      for (const hog of running) hog.kill("SIGKILL");
      await Promise.all(exits);
    },
  };
}
