/**
 * What the store proves about the clocks of its hosts.
 *
 * Nobody asks a host for its time. But a worker writes its clock into what it commits, and
 * revisions say in which order that was. So two things can be said, and no more:
 *
 * - What was committed before now was written before now. A time in it that lies in this machine's
 *   future proves that the writer's clock is ahead of this machine's, by at least the difference.
 * - Of two workers, the one that registered later should not carry the earlier time. Each reads its
 *   clock shortly before its registration, but a store that is away can hold a registration up; so
 *   only differences larger than such a delay count.
 *
 * A clock that is behind, and a small difference, go unseen.
 */
import type { RunningTask } from "../../broker/running-view.ts";
import type { LiveWorker } from "../../broker/worker-view.ts";
import { counted, type Finding, ok, warning } from "./finding.ts";

/** Below this a difference has no effect that anybody would notice. */
const AHEAD_MS_MIN = 1_000;
/** Grant and commit of a registration are tried for 10 s each. */
const REGISTRATION_MS_MAX = 20_000;

const ADVICE =
  "Let every host keep its time by NTP: a delayed task starts by the clock of the worker that " +
  "promotes it, and ages are shown by the clocks of those who wrote them.";

/** Findings about clocks; `now` was read on this machine after everything else was read. */
export function clockFindings(
  workers: readonly LiveWorker[],
  running: readonly RunningTask[],
  now: number,
): Finding[] {
  const hosts = new Set(workers.map(({ host }) => host));
  const findings = [...aheadFindings(workers, running, now), ...orderFindings(workers)];
  if (findings.length > 0) return findings;
  const others = counted(hosts.size, "host");
  return [ok("clocks", `no skew to be seen between this machine and ${others} with live workers`)];
}

function aheadFindings(
  workers: readonly LiveWorker[],
  running: readonly RunningTask[],
  now: number,
): Finding[] {
  const hostOf = new Map(workers.map(({ id, host }) => [id, host]));
  const latest = new Map<string, number>();
  const seen = (host: string | undefined, time: number | undefined) => {
    if (host === undefined || time === undefined) return;
    latest.set(host, Math.max(latest.get(host) ?? time, time));
  };
  for (const { host, startedAt } of workers) seen(host, startedAt);
  for (const { worker, takenAt } of running) seen(hostOf.get(worker), takenAt?.getTime());
  return [...latest].flatMap(([host, time]) => {
    const aheadMs = time - now;
    if (aheadMs < AHEAD_MS_MIN) return [];
    const by = `by at least ${seconds(aheadMs)}`;
    return [warning("clocks", `the clock of ${host} is ahead of this machine's ${by}`, ADVICE)];
  });
}

function orderFindings(workers: readonly LiveWorker[]): Finding[] {
  const worst = new Map<string, { earlier: LiveWorker; later: LiveWorker; byMs: number }>();
  const ordered = workers.toSorted((a, b) => a.revision - b.revision);
  let highest: LiveWorker | undefined;
  for (const worker of ordered) {
    const byMs = (highest?.startedAt ?? 0) - worker.startedAt - REGISTRATION_MS_MAX;
    if (highest && highest.host !== worker.host && byMs > 0) {
      const pair = `${highest.host} ${worker.host}`;
      const known = worst.get(pair);
      if (!known || known.byMs < byMs) worst.set(pair, { earlier: highest, later: worker, byMs });
    }
    if (!highest || worker.startedAt > highest.startedAt) highest = worker;
  }
  return [...worst.values()].map(({ earlier, later, byMs }) =>
    warning(
      "clocks",
      `clock skew between ${earlier.host} and ${later.host} of at least ${seconds(byMs)}: ` +
        `${later.host} registered later, but with an earlier time`,
      ADVICE,
    ),
  );
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
