import type { Chance } from "../engine/chance.ts";
import type { Network } from "../network/network.ts";
import type { Actor } from "./actor.ts";
import type { Incident } from "./plan.ts";

const REBIRTH_MS_MAX = 6_000;

/** Lets go wrong what a plan says, and puts it right again. */
export class Incidents {
  /** How far any two clocks have been apart. */
  skewMsMax = 0;
  readonly #network: Network;
  readonly #actors: ReadonlyMap<string, Actor>;
  readonly #chance: Chance;

  constructor(network: Network, actors: ReadonlyMap<string, Actor>, chance: Chance) {
    this.#network = network;
    this.#actors = actors;
    this.#chance = chance;
  }

  happen({ kind, actor: name, ms }: Incident): void {
    const actor = this.#actors.get(name);
    if (!actor) return;
    const { scheduler, storage } = this.#network;
    const until = scheduler.now + ms;
    const { process } = actor;
    scheduler.note(`incident: ${kind} ${name} ${ms.toFixed(0)}`);
    this.#network.count(kind);
    switch (kind) {
      case "kill":
        actor.kill();
        this.#startLater(actor);
        return;
      case "restart":
        actor.stop().then(
          () => this.#startLater(actor),
          () => {},
        );
        return;
      case "pause":
        if (process) process.pausedUntil = until;
        return;
      case "mute":
        if (process) process.mutedUntil = until;
        return;
      case "deafen":
        if (process) process.deafUntil = until;
        return;
      case "cut off":
        cutOff(actor, until);
        return;
      case "outage":
        for (const each of this.#actors.values()) cutOff(each, until);
        return;
      case "skew":
        this.#skew(actor, Math.round(ms));
        return;
      case "compact":
        storage.compact(Math.max(0, storage.revision - this.#chance.below(20)));
        return;
      case "end a lease":
        this.#endLease();
        return;
      case "fill":
        this.#network.usedShare = this.#chance.pick([0.6, 0.85, 0.9]);
        scheduler.after(ms, () => {
          this.#network.usedShare = 0;
        });
    }
  }

  /** Whether everybody can be reached and works. */
  get over(): boolean {
    const { now } = this.#network.scheduler;
    return [...this.#actors.values()].every(({ process }) => {
      const { mutedUntil = 0, deafUntil = 0, pausedUntil = 0 } = process ?? {};
      return Math.max(mutedUntil, deafUntil, pausedUntil) <= now;
    });
  }

  /** Puts everything right that does not pass by itself. */
  heal(): void {
    this.#network.usedShare = 0;
    for (const actor of this.#actors.values()) actor.setSkew(0);
  }

  #startLater(actor: Actor): void {
    const ms = this.#chance.between(100, REBIRTH_MS_MAX);
    this.#network.scheduler.after(ms, () => actor.start());
  }

  #skew(actor: Actor, ms: number): void {
    actor.setSkew(ms);
    const skews = [...this.#actors.values()].map(({ process }) => process?.skewMs ?? 0);
    const apart = Math.max(0, ...skews) - Math.min(0, ...skews);
    this.skewMsMax = Math.max(this.skewMsMax, apart);
  }

  /** As servers did that had a bug: a lease ends although it is renewed. */
  #endLease(): void {
    const { leases, storage } = this.#network;
    if (leases.length > 0) storage.revoke(this.#chance.pick(leases));
  }
}

function cutOff({ process }: Actor, until: number): void {
  if (!process) return;
  process.mutedUntil = until;
  process.deafUntil = until;
}
