/**
 * Whether a history of concurrent operations could have happened one after another.
 *
 * Wing and Gong's search as Lowe improved it and porcupine made it popular: calls and returns are
 * a list in the order of time. The search takes an operation that has begun before any pending one
 * returned, applies it to the model, and goes on; where nothing fits it goes back. Which operations
 * were taken, together with the state that they led to, is remembered, so nothing is tried twice.
 *
 * An operation whose outcome is unknown never returns: it may be taken at any time after its call,
 * or not at all. A search that takes too many steps is undecided.
 */

/** What a sequential thing does. States are values; equal ones have the same key. */
export interface Model<State, Op> {
  readonly initial: State;
  /** The state after the operation, or `undefined` when its answer is wrong in this state. */
  step(state: State, op: Op): State | undefined;
  keyOf(state: State): string;
}

/** An operation in time; without `end` nobody knows its outcome. */
export interface Timed {
  readonly start: number;
  readonly end?: number;
}

/** What the search found. */
export type Linearizable = "yes" | "no" | "undecided";

/** Steps after which a search gives up. */
export const STEPS_MAX = 2_000_000;

interface Node {
  readonly index: number;
  /** Of a call: its return. Of a return: nothing. */
  match: Node | undefined;
  prev: Node | undefined;
  next: Node | undefined;
}

/** See above. */
export function checkLinearizable<State, Op extends Timed>(
  model: Model<State, Op>,
  ops: readonly Op[],
  stepsMax = STEPS_MAX,
): Linearizable {
  const head = listOf(ops);
  let left = ops.filter(({ end }) => end !== undefined).length;
  let state = model.initial;
  const taken = new Bits(ops.length);
  const tried = new Set<string>();
  const path: { readonly node: Node; readonly before: State }[] = [];
  let node = head.next;
  for (let steps = 0; left > 0; steps += 1) {
    if (steps > stepsMax) return "undecided";
    const op = node === undefined ? undefined : (ops[node.index] as Op);
    if (node?.match && op) {
      const next = model.step(state, op);
      if (next !== undefined && remember(node.index, next)) {
        path.push({ node, before: state });
        state = next;
        taken.set(node.index, true);
        if (op.end !== undefined) left -= 1;
        lift(node);
        node = head.next;
      } else node = node.next;
      continue;
    }
    // A return, or the end: whatever is in front of it had to be taken before.
    const last = path.pop();
    if (!last) return "no";
    state = last.before;
    taken.set(last.node.index, false);
    if (ops[last.node.index]?.end !== undefined) left += 1;
    unlift(last.node);
    node = last.node.next;
  }
  return "yes";

  function remember(index: number, next: State): boolean {
    taken.set(index, true);
    const key = `${taken.key()} ${model.keyOf(next)}`;
    taken.set(index, false);
    if (tried.has(key)) return false;
    tried.add(key);
    return true;
  }
}

/** Calls and returns in the order of time; at the same time calls come first. */
function listOf(ops: readonly Timed[]): Node {
  const head: Node = { index: -1, match: undefined, prev: undefined, next: undefined };
  const points = ops.flatMap(({ start, end = Number.POSITIVE_INFINITY }, index) => [
    { index, time: start, returns: false },
    { index, time: end, returns: true },
  ]);
  points.sort((one, other) => order(one, other));
  const calls = new Map<number, Node>();
  let prev = head;
  for (const { index, returns } of points) {
    const node: Node = { index, match: undefined, prev, next: undefined };
    prev.next = node;
    prev = node;
    if (!returns) calls.set(index, node);
    else {
      const call = calls.get(index);
      if (call) call.match = node;
    }
  }
  return head;
}

interface Point {
  readonly index: number;
  readonly time: number;
  readonly returns: boolean;
}

function order(one: Point, other: Point): number {
  if (one.time !== other.time) return one.time < other.time ? -1 : 1;
  if (one.returns !== other.returns) return one.returns ? 1 : -1;
  return one.index - other.index;
}

/** Takes a call and its return out of the list; they still know their places. */
function lift(call: Node): void {
  for (const node of [call, call.match]) {
    if (!node) continue;
    if (node.prev) node.prev.next = node.next;
    if (node.next) node.next.prev = node.prev;
  }
}

/** Puts them back, in the opposite order. */
function unlift(call: Node): void {
  for (const node of [call.match, call]) {
    if (!node) continue;
    if (node.prev) node.prev.next = node;
    if (node.next) node.next.prev = node;
  }
}

/** A set of small numbers that can be compared. */
class Bits {
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  set(index: number, on: boolean): void {
    const word = index >>> 5;
    const bit = 1 << (index & 31);
    this.#words[word] = on ? (this.#words[word] ?? 0) | bit : (this.#words[word] ?? 0) & ~bit;
  }

  key(): string {
    return this.#words.join();
  }
}
