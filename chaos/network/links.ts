import type { Direction, Flow, LinkProxy } from "./link-proxy.ts";

/** The ways of one process to all members; changes take effect with {@link ClientLinks.apply}. */
export class ClientLinks {
  readonly flows: Record<Direction, Flow> = { out: "pass", back: "pass" };
  refused = false;
  readonly proxies: LinkProxy[] = [];

  apply(): void {
    for (const proxy of this.proxies) proxy.apply();
  }

  reset(): number {
    return this.proxies.reduce((count, proxy) => count + proxy.reset(), 0);
  }
}

/** The ways between members. */
export class PeerLinks {
  readonly proxies: LinkProxy[] = [];
  /** Pairs of members of which the first one cannot be heard by the second one. */
  readonly #cut = new Set<string>();
  readonly #ids = new Map<string, number>();

  /** Says which id a member has in the cluster, in hexadecimal. */
  name(id: string, member: number): void {
    this.#ids.set(id, member);
  }

  cut(from: number, to: number, isCut: boolean): void {
    if (isCut) this.#cut.add(`${from}>${to}`);
    else this.#cut.delete(`${from}>${to}`);
    for (const proxy of this.proxies) proxy.apply();
  }

  /** How bytes fare on a connection that `source` has made to a member. */
  flow(source: string | undefined, to: number, direction: Direction): Flow {
    const from = source === undefined ? undefined : this.#ids.get(source);
    if (from === undefined) return "pass";
    const pair = direction === "out" ? `${from}>${to}` : `${to}>${from}`;
    return this.#cut.has(pair) ? "hold" : "pass";
  }
}
