import type { Client, Job } from "./contender.ts";
import { type Commands, latencyOf, nowMs, type WorkReply } from "./protocol.ts";

const REPORT_MS = 50;

/** Start times that are kept at most. */
const SAMPLES_MAX = 1_000_000;

/** A client that works until it is stopped. */
export interface Working {
  stop(): Promise<WorkReply>;
}

/** Starts working and says at most every 50 ms how many tasks have ended, while that changes. */
export async function startWorking(
  client: Client,
  { queue, concurrency }: Commands["work"],
  say: (finished: number) => void,
): Promise<Working> {
  const starts: number[] = [];
  const seen = { finished: 0, firstAt: 0, lastAt: 0, updates: 0 };
  const stopClient = await client.work({
    queue,
    concurrency,
    run: (job, report) => {
      if (seen.firstAt === 0) seen.firstAt = nowMs();
      if (job.at !== undefined && starts.length < SAMPLES_MAX) starts.push(nowMs() - job.at);
      return job.progress && runReporting(job.progress, report, () => (seen.updates += 1));
    },
    finished: (count) => {
      seen.finished += count;
      seen.lastAt = nowMs();
    },
  });
  let said = 0;
  const tell = () => {
    if (seen.finished !== said) say(seen.finished);
    said = seen.finished;
  };
  const timer = setInterval(tell, REPORT_MS);
  return {
    stop: async () => {
      await stopClient();
      clearInterval(timer);
      tell();
      return { ...seen, ...(starts.length > 0 && { starts: latencyOf(starts) }) };
    },
  };
}

/** Runs for a while and reports its progress now and then, as a handler would. */
async function runReporting(
  { forMs, everyMs }: NonNullable<Job["progress"]>,
  report: (percent: number) => unknown,
  counted: () => void,
): Promise<void> {
  const steps = Math.max(1, Math.floor(forMs / everyMs));
  for (let step = 1; step <= steps; step += 1) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    await report((100 * step) / steps);
    counted();
  }
}
