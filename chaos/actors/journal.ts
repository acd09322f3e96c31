/**
 * What the processes of a run write down, one JSON object a line, so that it outlives them.
 *
 * Operations are written when they begin and when they end: one without an end is unknown. What
 * handlers do is also synced to the disk before they go on. A killed process may leave half a line
 * at the end; whoever reads takes it as not written.
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Act } from "../../sim/world/acts.ts";
import type { Order, Run, Sighting, Wait } from "../../sim/world/ledger.ts";
import type { StoreOp } from "../linear/store-op.ts";

/** What one act left in its ledger. */
export interface Doings {
  readonly orders: readonly Order[];
  readonly waits: readonly Wait[];
  readonly sightings: readonly Sighting[];
}

/** A line of a journal. `at` is on the monotonic clock, which all processes share. */
export type Line =
  | { readonly kind: "act"; readonly at: number; readonly seq: number; readonly act: Act }
  | {
      readonly kind: "done";
      readonly at: number;
      readonly seq: number;
      readonly doings: Doings;
      readonly error?: string;
    }
  | {
      readonly kind: "run";
      readonly at: number;
      readonly run: Pick<Run, "id" | "attempt" | "fence" | "process" | "startedAt">;
      /** It was taken by hand. */
      readonly byHand?: true;
      /** The wall clock of the machine. */
      readonly wall: number;
    }
  | {
      readonly kind: "ran";
      readonly at: number;
      readonly id: string;
      readonly fence: number;
      readonly result?: string;
    }
  | { readonly kind: "event"; readonly at: number; readonly name: string; readonly what: object }
  | { readonly kind: "broken"; readonly at: number; readonly what: string }
  | { readonly kind: "op"; readonly op: StoreOp }
  | { readonly kind: "watch"; readonly session: number; readonly after: number }
  | {
      readonly kind: "batch";
      readonly session: number;
      readonly revision: number;
      readonly events: readonly SeenEvent[];
    };

/** An event of a watch; `value` is the text that was put, absent when the key was deleted. */
export interface SeenEvent {
  readonly key: string;
  readonly revision: number;
  readonly value?: string;
}

/** Appends lines to a file. */
export class Journal implements Disposable {
  readonly #file: number;
  readonly #synced: boolean;

  constructor(path: string, { synced }: { readonly synced: boolean }) {
    this.#file = openSync(path, "a");
    this.#synced = synced;
  }

  write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    if (this.#synced) fdatasyncSync(this.#file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** All whole lines of a journal. */
export function readJournal(path: string): Line[] {
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as Line);
}
