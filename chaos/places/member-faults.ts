import type { EtcdServer } from "../../test/support/etcd-server.ts";
import type { Fault, FaultWorld, Trouble } from "./place.ts";

/** Compactions leave at least this many revisions, so that some watchers must list again. */
const KEPT_REVISIONS_MAX = 60;

/** What can go wrong with members, and what operators do to them. */
export function memberFaults(members: readonly EtcdServer[]): Fault[] {
  const pick = ({ chance }: FaultWorld) => {
    const index = chance.below(members.length);
    return { index, member: members[index] as EtcdServer };
  };
  const faults: Fault[] = [
    {
      kind: "etcd killed",
      begin: async (world) => {
        const { index, member } = pick(world);
        await member.kill();
        return { what: `member ${index}`, heal: () => member.restart() };
      },
    },
    {
      kind: "etcd frozen",
      begin: async (world) => {
        const { index, member } = pick(world);
        member.pause();
        return { what: `member ${index}`, heal: async () => member.resume() };
      },
    },
    { kind: "compacted", begin: (world) => compact(members, world) },
  ];
  return members.length === 1 ? faults : [...faults, leaderMoved(members)];
}

async function compact(
  members: readonly EtcdServer[],
  { recorder, chance }: FaultWorld,
): Promise<Trouble> {
  const revision = recorder.position - chance.below(KEPT_REVISIONS_MAX);
  const heal = async () => {};
  if (revision < 1) return { what: "nothing yet", heal };
  const [done] = await answers(members, "compact", String(revision));
  return { what: done ? `to ${revision}` : "refused", heal };
}

function leaderMoved(members: readonly EtcdServer[]): Fault {
  return {
    kind: "leader moved",
    begin: async ({ chance }) => {
      const heal = async () => {};
      const [listed = ""] = await answers(members, "member", "list", "-w", "simple");
      const ids = listed
        .split("\n")
        .flatMap((row) => /^[0-9a-f]+(?=,)/.exec(row.trim())?.[0] ?? []);
      if (ids.length === 0) return { what: "nobody answers", heal };
      const target = chance.pick(ids);
      // Only the leader obeys, so all are asked.
      const [moved] = await answers(members, "move-leader", target);
      return { what: moved ? `to ${target}` : "refused", heal };
    },
  };
}

/** What members print; those that refuse or are away print nothing. */
async function answers(members: readonly EtcdServer[], ...args: string[]): Promise<string[]> {
  const flags = ["--command-timeout=2s", "--dial-timeout=1s"];
  const said = await Promise.allSettled(members.map((member) => member.ctl(...flags, ...args)));
  return said.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}
