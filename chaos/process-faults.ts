import type { Actor } from "./actors/actor.ts";
import type { Fault, FaultWorld } from "./places/place.ts";

const SKEW_MS_MAX = 20_000;

/** What can happen to a process. Dead ones are started again when it heals. */
export function processFaults(actors: readonly Actor[]): Fault[] {
  const pick = ({ chance }: FaultWorld) => chance.pick(actors);
  const heal = (actor: Actor) => async () => {
    actor.start();
    await actor.ready();
  };
  return [
    {
      kind: "process killed",
      begin: async (world) => {
        const actor = pick(world);
        await actor.kill();
        return { what: actor.name, heal: heal(actor) };
      },
    },
    {
      kind: "process frozen",
      begin: async (world) => {
        const actor = pick(world);
        actor.freeze();
        return { what: actor.name, heal: async () => actor.thaw() };
      },
    },
    {
      kind: "process frozen, then killed",
      begin: async (world) => {
        const actor = pick(world);
        actor.freeze();
        const again = async () => {
          await actor.kill();
          await heal(actor)();
        };
        return { what: actor.name, heal: again };
      },
    },
    {
      kind: "process restarted",
      begin: async (world) => {
        const actor = pick(world);
        const stopped = actor.stop();
        const again = async () => {
          await stopped;
          await heal(actor)();
        };
        return { what: actor.name, heal: again };
      },
    },
    {
      kind: "clock moved",
      begin: async (world) => {
        const actor = pick(world);
        const ms = Math.round(world.chance.between(-SKEW_MS_MAX, SKEW_MS_MAX));
        actor.skew(ms);
        return { what: `${actor.name} by ${ms} ms`, heal: async () => actor.skew(0) };
      },
    },
  ];
}
