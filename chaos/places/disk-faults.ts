import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { EtcdServer } from "../../test/support/etcd-server.ts";
import type { Fault } from "./place.ts";

const DELAYS_MS = [50, 300, 1_500];
const ATTACH_MS_MAX = 5_000;

/** A disk on which syncs take long, on a machine that can trace programs. */
export function diskFaults(members: readonly EtcdServer[]): Fault[] {
  return [
    {
      kind: "disk slow",
      begin: async ({ chance }) => {
        const index = chance.below(members.length);
        const ms = chance.pick(DELAYS_MS);
        const inject = `inject=fdatasync:delay_enter=${ms * 1_000}`;
        const pid = String((members[index] as EtcdServer).pid);
        const args = ["-f", "-qq", "-e", "trace=fdatasync", "-e", inject, "-o", "/dev/null"];
        const tracer = spawn("strace", [...args, "-p", pid], { stdio: "ignore" });
        return { what: `member ${index}, ${ms} ms a sync`, heal: () => detach(tracer) };
      },
    },
  ];
}

/** The tracer lets go of the server when it is told to end; what is traced goes on. */
async function detach(tracer: ChildProcess): Promise<void> {
  if (tracer.exitCode !== null || tracer.signalCode !== null) return;
  const ended = once(tracer, "exit");
  tracer.kill("SIGINT");
  const timer = setTimeout(() => tracer.kill("SIGKILL"), ATTACH_MS_MAX);
  await ended;
  clearTimeout(timer);
}
