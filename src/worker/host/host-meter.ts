import { type CancelTimer, type Clock, systemClock } from "../../base/clock.ts";
import { type Cgroups, findCgroups } from "./cgroups.ts";
import { type CpuCounters, cpuBetween, readCpu } from "./cpu.ts";
import { memoryFree } from "./memory.ts";
import { ownCpuMs } from "./own-cpu.ts";
import { readKernelFile } from "./read-text.ts";

/** What a host was like between two looks at it. Shares are of what this process may use. */
export interface HostSample {
  /** 0 to 1. */
  readonly cpuUsed: number;
  /** The same for others than this process and its children, when those were to be left out. */
  readonly cpuOthers: number;
  /** 0 to 1, at the end. */
  readonly memoryFree: number;
  /** By how much the event loop was late at worst. */
  readonly eventLoopDelayMs: number;
}

/** Measures the host from look to look. */
export interface HostMeter {
  /** What happened since the last look. */
  sample(exceptOwn: boolean): HostSample;
  /** Stops measuring. */
  close(): void;
}

const LOOK_MS = 100;

/** A host on which nobody does anything. */
const AT_REST: HostSample = { cpuUsed: 0, cpuOthers: 0, memoryFree: 1, eventLoopDelayMs: 0 };

/**
 * Begins to measure the host. On any other clock than the real one there is nothing to measure: how
 * busy a host is follows from how much it does in how much time. Then it is at rest.
 *
 * The lateness of a timer is used instead of Node's `monitorEventLoopDelay`: that one forgets, with
 * each reset, a delay that has begun and not ended.
 */
export function openHostMeter(clock: Clock): HostMeter {
  if (clock !== systemClock) return { sample: () => AT_REST, close: () => {} };
  const cgroups = ownCgroups();
  const cpuNow = (exceptOwn: boolean): CpuCounters =>
    readCpu(readKernelFile, cgroups, {
      at: clock.monotonic(),
      own: ownCpuMs(readKernelFile, exceptOwn),
    });
  let last = cpuNow(false);
  const lateness = new Lateness(clock);
  return {
    sample: (exceptOwn) => {
      const before = last;
      last = cpuNow(exceptOwn);
      const { used, others } = cpuBetween(before, last, exceptOwn);
      return {
        cpuUsed: used,
        cpuOthers: others,
        memoryFree: memoryFree(readKernelFile, cgroups),
        eventLoopDelayMs: lateness.take(),
      };
    },
    close: () => lateness.stop(),
  };
}

function ownCgroups(): Cgroups {
  return findCgroups(
    readKernelFile("/proc/self/cgroup") ?? "",
    readKernelFile("/proc/self/mountinfo") ?? "",
  );
}

/** By how much a timer that fires all the time is late. */
class Lateness {
  readonly #clock: Clock;
  #worst = 0;
  #due = 0;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#arm();
  }

  /** The worst since this was asked last. */
  take(): number {
    const late = Math.max(this.#worst, this.#clock.monotonic() - this.#due);
    this.#worst = 0;
    return Math.max(0, late);
  }

  stop(): void {
    this.#cancel();
  }

  #arm(): void {
    this.#due = this.#clock.monotonic() + LOOK_MS;
    this.#cancel = this.#clock.after(LOOK_MS, () => {
      this.#worst = Math.max(this.#worst, this.#clock.monotonic() - this.#due);
      this.#arm();
    });
  }
}
