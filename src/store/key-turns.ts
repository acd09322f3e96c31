import { readKeys } from "./limits.ts";
import type { Part } from "./part.ts";

/**
 * # Whose turn it is at each key
 *
 * An owner claims every key that its parts name, all at once, when it arrives: keys that it writes
 * for itself alone, keys that it only looks at together with others who only look. Each key serves
 * its claims in the order of their arrival. Since nobody claims in two steps, two owners cannot
 * wait for each other; since a reader queues behind a writer that came before it, no writer
 * starves.
 *
 * Claim and release cost one map access for each key: no owner ever looks at another one.
 */
export class KeyTurns<Owner> {
  readonly #keys = new Map<string, KeyTurn<Owner>>();

  /** Claims every key of `parts`; the owner has them all as soon as `awaited` is 0. */
  claim(owner: Owner, parts: readonly Part[]): Turns<Owner> {
    const turns: Turns<Owner> = { owner, claims: [], awaited: 0 };
    for (const part of parts) {
      for (const write of part.writes) this.#claimKey(turns, write.key, true);
    }
    for (const part of parts) {
      for (const key of readKeys(part)) this.#claimKey(turns, key, false);
    }
    return turns;
  }

  /** Gives all keys back; `granted` is called with each owner that has all of its keys by that. */
  release(turns: Turns<Owner>, granted: (next: Owner) => void): void {
    for (const { turn, write } of turns.claims) {
      if (write) turn.writer = false;
      else turn.readers -= 1;
      this.#advance(turn, granted);
    }
  }

  #claimKey(turns: Turns<Owner>, key: string, write: boolean): void {
    let turn = this.#keys.get(key);
    if (turn === undefined) {
      turn = { key, readers: 0, writer: false, latest: turns, first: undefined, last: undefined };
      this.#keys.set(key, turn);
    } else if (turn.latest === turns) {
      // Named before by the same parts, and writes are claimed first: nothing more to claim.
      return;
    }
    turn.latest = turns;
    const claim: Claim<Owner> = { turns, turn, write, next: undefined };
    turns.claims.push(claim);
    if (turn.first === undefined && admits(turn, write)) {
      hold(turn, write);
      return;
    }
    turns.awaited += 1;
    if (turn.last === undefined) turn.first = claim;
    else turn.last.next = claim;
    turn.last = claim;
  }

  #advance(turn: KeyTurn<Owner>, granted: (next: Owner) => void): void {
    let claim = turn.first;
    while (claim !== undefined && admits(turn, claim.write)) {
      hold(turn, claim.write);
      claim.turns.awaited -= 1;
      if (claim.turns.awaited === 0) granted(claim.turns.owner);
      claim = claim.next;
    }
    turn.first = claim;
    if (claim === undefined) turn.last = undefined;
    if (turn.readers > 0 || turn.writer) return;
    turn.latest = undefined;
    this.#keys.delete(turn.key);
  }
}

/** The claims of one owner. */
export interface Turns<Owner> {
  readonly owner: Owner;
  readonly claims: Claim<Owner>[];
  /** How many of the claims are not granted yet. */
  awaited: number;
}

interface Claim<Owner> {
  readonly turns: Turns<Owner>;
  readonly turn: KeyTurn<Owner>;
  readonly write: boolean;
  next: Claim<Owner> | undefined;
}

interface KeyTurn<Owner> {
  readonly key: string;
  readers: number;
  writer: boolean;
  /** Who claimed last, to know a key that the same parts name twice. */
  latest: Turns<Owner> | undefined;
  /** The claims that wait, oldest first, as a linked list. */
  first: Claim<Owner> | undefined;
  last: Claim<Owner> | undefined;
}

function admits(turn: KeyTurn<unknown>, write: boolean): boolean {
  return !turn.writer && (!write || turn.readers === 0);
}

function hold(turn: KeyTurn<unknown>, write: boolean): void {
  if (write) turn.writer = true;
  else turn.readers += 1;
}
