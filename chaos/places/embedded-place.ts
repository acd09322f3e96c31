import { join } from "node:path";
import { openStore } from "../../src/store/open-store.ts";
import type { Place } from "./place.ts";

/** A store in a directory that all processes of a run share. */
export function embeddedPlace(directory: string): Place {
  const url = `embedded:${join(directory, "store")}`;
  return {
    title: "embedded store",
    urlFor: async () => url,
    openDirect: () => openStore(url),
    hands: [],
    leases: async () => [],
    [Symbol.asyncDispose]: async () => {},
  };
}
