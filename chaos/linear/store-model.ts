/** The store as one group of keys sees it: a sequential model for the checker. */
import { checkLinearizable, type Linearizable, type Model } from "./checker.ts";
import type { Expect, StoreOp } from "./store-op.ts";

/** Values by key; a key that does not exist is not there. */
type Values = Readonly<Record<string, string>>;

const storeModel: Model<Values, StoreOp> = {
  initial: {},
  step: (values, { action }) => {
    if (action.kind === "read") {
      return action.found.every(({ key, value }) => values[key] === value) ? values : undefined;
    }
    const holds = action.expect.every((expect) => isMet(values, expect));
    const { applied = holds } = action;
    if (applied !== holds) return undefined;
    if (!applied) return values;
    const changed: Record<string, string> = { ...values };
    for (const { key, value } of action.changes) {
      if (value === undefined) delete changed[key];
      else changed[key] = value;
    }
    return changed;
  },
  keyOf: (values) =>
    Object.entries(values)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .join(),
};

function isMet(values: Values, expect: Expect): boolean {
  const value = values[expect.key];
  if (expect.is === "value") return value === expect.value;
  return (expect.is === "present") === (value !== undefined);
}

/** What was found of one group. */
export interface GroupVerdict {
  readonly group: string;
  readonly ops: number;
  readonly unknown: number;
  readonly verdict: Linearizable;
}

/**
 * Judges the operations on each group of keys by themselves. `happened` says what the history has
 * of a value that was written by an operation whose outcome is unknown: what is not there had no
 * effect.
 */
export function judgeStoreOps(
  ops: readonly StoreOp[],
  happened: (key: string, value: string) => boolean,
): GroupVerdict[] {
  const groups = new Map<string, StoreOp[]>();
  for (const op of ops) {
    const group = groups.get(op.group);
    if (group) group.push(op);
    else groups.set(op.group, [op]);
  }
  return [...groups].map(([group, all]) => {
    const judged = all.filter((op) => op.end !== undefined || mayHaveHappened(op, happened));
    const unknown = judged.filter(({ end }) => end === undefined).length;
    return { group, ops: all.length, unknown, verdict: checkLinearizable(storeModel, judged) };
  });
}

function mayHaveHappened(
  { action }: StoreOp,
  happened: (key: string, value: string) => boolean,
): boolean {
  if (action.kind === "read") return false;
  const put = action.changes.find(({ value }) => value !== undefined);
  return put?.value === undefined || happened(put.key, put.value);
}

/** Answers that show a revision older than one that was known before they were asked for. */
export function staleAnswers(ops: readonly StoreOp[]): string[] {
  const answered = ops
    .flatMap(({ end, revision }) =>
      end === undefined || revision === undefined ? [] : [{ end, revision }],
    )
    .sort((one, other) => one.end - other.end);
  const asked = ops
    .filter(({ revision }) => revision !== undefined)
    .sort((one, other) => one.start - other.start);
  const stale: string[] = [];
  let known = 0;
  let next = 0;
  for (const { start, revision = 0, client } of asked) {
    for (; next < answered.length && (answered[next]?.end ?? 0) < start; next += 1) {
      known = Math.max(known, answered[next]?.revision ?? 0);
    }
    if (revision < known) stale.push(`${client} was shown ${revision} when ${known} was known`);
  }
  return stale;
}
