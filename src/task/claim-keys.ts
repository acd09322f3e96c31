/**
 * The keys of claims: `{kind}/{name}/{key}`, by the name of the task and the key that its caller
 * gave. Neither a kind nor a name holds a `/`, so a claim's key is taken apart without doubt.
 */
import { deadlineKey, parseDeadlineKey } from "./keyspace.ts";
import { isId, isTaskName } from "./names.ts";

/** What a claim promises; see `task/claim.ts`. */
export type ClaimKind = "unique" | "throttle" | "debounce";

/** Every {@link ClaimKind}. */
export const CLAIM_KINDS: readonly ClaimKind[] = ["unique", "throttle", "debounce"];

/** `unique/{name}/{key}`, `throttle/{name}/{key}` or `debounce/{name}/{key}` */
export function claimKey(kind: ClaimKind, name: string, key: string): string {
  return `${kind}/${name}/${key}`;
}

/** Takes a claim's key apart; `undefined` for a key that is not one of ours. */
export function parseClaimKey(
  text: string,
): { kind: ClaimKind; name: string; key: string } | undefined {
  const [first, name, ...rest] = text.split("/");
  const kind = CLAIM_KINDS.find((known) => known === first);
  const key = rest.join("/");
  return kind && isTaskName(name) && isId(key) ? { kind, name, key } : undefined;
}

/**
 * `deadline/{minute}/{milliseconds}/#{claim}`: a claim to look at when the time has passed. `#` is
 * in no id, so these entries stand beside those of tasks.
 */
export function claimDeadlineKey(at: number, claim: string): string {
  return deadlineKey(at, `#${claim}`);
}

/** The time and the claim in such a key; `undefined` when it is not one of ours. */
export function parseClaimDeadlineKey(key: string): { at: number; claim: string } | undefined {
  const parsed = parseDeadlineKey(key);
  const claim = parsed?.id.startsWith("#") ? parsed.id.slice(1) : undefined;
  if (!parsed || claim === undefined || !parseClaimKey(claim)) return undefined;
  return { at: parsed.at, claim };
}
