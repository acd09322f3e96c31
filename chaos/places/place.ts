import type { Chance } from "../../sim/engine/chance.ts";
import type { Store } from "../../src/store/store.ts";
import type { Recorder } from "../recorder.ts";

/** Something that went wrong on purpose, and how it is put right again. */
export interface Trouble {
  readonly what: string;
  heal(): Promise<void>;
}

/** What a fault may look at. */
export interface FaultWorld {
  readonly chance: Chance;
  /** The names of the processes. */
  readonly actors: readonly string[];
  readonly recorder: Recorder;
}

/** A kind of fault. */
export interface Fault {
  readonly kind: string;
  begin(world: FaultWorld): Promise<Trouble>;
}

/** Where the processes of a run keep their tasks. */
export interface Place extends AsyncDisposable {
  /** What it is made of, with versions. */
  readonly title: string;
  /** The store as a process of this name is told of it, before the process is started. */
  urlFor(actor: string): Promise<string>;
  /** The store itself, past everything that goes wrong. */
  openDirect(): Promise<Store>;
  /** What can go wrong with the store and on the way to it; one of each list at a time. */
  readonly hands: readonly (readonly Fault[])[];
  /** Leases that still exist, for a look when everything has stopped. */
  leases(): Promise<readonly string[]>;
}
