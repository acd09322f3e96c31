import type { Direction, Flow } from "../network/link-proxy.ts";
import type { ClientLinks } from "../network/links.ts";
import type { Fault, FaultWorld } from "./place.ts";

const SLOW: Flow = { bytesPerSecond: 4_000 };

/** What can go wrong between processes and the store. */
export function clientFaults(all: ReadonlyMap<string, ClientLinks>): Fault[] {
  const pick = ({ chance, actors }: FaultWorld) => {
    const name = chance.pick(actors);
    const links = all.get(name);
    if (!links) throw new Error(`There is no way to ${name}.`);
    return { name, links };
  };
  const held = (kind: string, directions: readonly Direction[], flow: Flow = "hold"): Fault => ({
    kind,
    begin: async (world) => {
      const { name, links } = pick(world);
      setFlows(links, directions, flow);
      // Held bytes arrive after all, or are lost with their connections.
      const lost = flow === "hold" && world.chance.happens(0.5);
      const heal = async () => {
        if (lost) links.reset();
        setFlows(links, directions, "pass");
      };
      return { what: lost ? `${name}, then reset` : name, heal };
    },
  });
  return [
    held("client cut off", ["out", "back"]),
    held("client mute", ["out"]),
    held("client deaf", ["back"]),
    held("client throttled", ["out", "back"], SLOW),
    {
      kind: "replies dropped",
      begin: async (world) => {
        const { name, links } = pick(world);
        setFlows(links, ["back"], "hold");
        await new Promise((resolve) => setTimeout(resolve, world.chance.between(5, 60)));
        const count = links.reset();
        setFlows(links, ["back"], "pass");
        return { what: `${name}, ${count} connections`, heal: async () => {} };
      },
    },
    {
      kind: "connections reset",
      begin: async (world) => {
        const { name, links } = pick(world);
        return { what: `${name}, ${links.reset()} of them`, heal: async () => {} };
      },
    },
    {
      kind: "connections refused",
      begin: async (world) => {
        const { name, links } = pick(world);
        links.refused = true;
        links.reset();
        const heal = async () => {
          links.refused = false;
        };
        return { what: name, heal };
      },
    },
    {
      kind: "everybody cut off",
      begin: async () => {
        for (const links of all.values()) setFlows(links, ["out", "back"], "hold");
        const heal = async () => {
          for (const links of all.values()) setFlows(links, ["out", "back"], "pass");
        };
        return { what: "", heal };
      },
    },
  ];
}

function setFlows(links: ClientLinks, directions: readonly Direction[], flow: Flow): void {
  for (const direction of directions) links.flows[direction] = flow;
  links.apply();
}
