/**
 * Claims: what makes several calls one task. There are three, and a task has at most one of them.
 *
 * - `unique`: while a task with this key waits or runs, there is no second one.
 * - `throttle`: within a period there is one task with this key, however it ends.
 * - `debounce`: calls that come while the task waits move it, and may replace its input.
 *
 * A claim is an entry of its own that names the task. It is written by the commit that creates the
 * task, and only where no other task holds it, so of any number of callers one creates a task.
 * `broker/claim.ts` says how each ends.
 */
import { type Duration, durationMs } from "../base/duration.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import { requireKnownKeys, requireOneOf, shown } from "../base/options.ts";
import { del, type Write } from "../store/part.ts";
import { CLAIM_KINDS, type ClaimKind, claimKey } from "./claim-keys.ts";
import { ID_LENGTH_MAX, isId } from "./names.ts";
import type { SpecRecord } from "./records.ts";

/**
 * 1 to 200 characters as in ids, or how they follow from the input; `undefined` claims nothing.
 */
export type KeyOf<In> = string | ((input: In) => string | undefined);

/** At most one task in a period. */
export interface ThrottleOptions<In = never> {
  /** Tasks of one name and one key share a period. */
  readonly key: KeyOf<In>;
  /** How long after a task was created no other one is. From 100 ms to 1 year. */
  readonly per: Duration;
}

/** One task for calls that follow each other closely. */
export interface DebounceOptions<In = never> {
  /** Calls of one name and one key are put together. */
  readonly key: KeyOf<In>;
  /** The task is due so long after the last call. From 10 ms to 1 year. */
  readonly wait: Duration;
  /**
   * So long after the first call it is due, whatever comes. Kept with the task, so the first call
   * decides. At least `wait`, at most 1 year. Default: ten times `wait`.
   */
  readonly maxWait?: Duration;
  /** Whose input the task runs with: the last call's (the default) or the first one's. */
  readonly payload?: "first" | "last";
}

/** The claims that a definition or an enqueue may make; one at most. The enqueue wins. */
export interface ClaimOptions<In = never> {
  /** While a task with this key waits or runs, `delay()` returns its handle and creates none. */
  readonly unique?: KeyOf<In>;
  /** For so long after a task was created, `delay()` returns its handle and creates none. */
  readonly throttle?: ThrottleOptions<In>;
  /** While the task of an earlier call waits, `delay()` moves it and creates none. */
  readonly debounce?: DebounceOptions<In>;
}

/** A claim of one enqueue, checked and with every default filled in. */
export type ResolvedClaim =
  | { readonly kind: "unique"; readonly key: string }
  | { readonly kind: "throttle"; readonly key: string; readonly perMs: number }
  | ({ readonly kind: "debounce"; readonly key: string } & ResolvedDebounce);

/** {@link DebounceOptions} in milliseconds. */
export interface ResolvedDebounce {
  readonly waitMs: number;
  readonly maxWaitMs: number;
  readonly payload: "first" | "last";
}

const YEAR_MS = 365 * 86_400_000;
const PER_MS_MIN = 100;
const WAIT_MS_MIN = 10;
const MAX_WAIT_FACTOR = 10;
/** What goes against a debounce: it says itself when the task is due, and which task it is. */
const AGAINST_DEBOUNCE = ["id", "in", "at", "expiresAt"];

/**
 * The claim of one enqueue: its own if it makes one, else its definition's.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming the option that is not allowed.
 */
export function resolveClaim(
  definition: ClaimOptions,
  given: ClaimOptions,
  input: unknown,
): ResolvedClaim | undefined {
  const kind = kindOf(given) ?? kindOf(definition);
  if (kind === undefined) return undefined;
  const from = kindOf(given) === undefined ? definition : given;
  const claim = keyed(from, kind, input);
  if (claim?.kind !== "debounce") return claim;
  for (const option of AGAINST_DEBOUNCE) {
    if ((given as Record<string, unknown>)[option] === undefined) continue;
    throw new InvalidOptionsError(
      `${option} does not go with debounce, which says by itself when the task is due and which ` +
        "task it is; leave one of the two out.",
    );
  }
  return claim;
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) when a definition's claim is not allowed. */
export function checkClaims(definition: ClaimOptions): void {
  const kind = kindOf(definition);
  if (kind === undefined) return;
  const { key } = settingsOf(definition, kind);
  if (typeof key !== "function") requireKey(optionOf(kind), key);
}

function kindOf(options: ClaimOptions): ClaimKind | undefined {
  const [kind, second] = CLAIM_KINDS.filter((each) => options[each] !== undefined);
  if (second === undefined) return kind;
  throw new InvalidOptionsError(`Give either ${kind} or ${second}, not both.`);
}

/** Whether options make a claim, which goes before the one that `option` may make elsewhere. */
export function replaces(options: ClaimOptions, option: string): boolean {
  return CLAIM_KINDS.some((kind) => kind === option) && kindOf(options) !== undefined;
}

function keyed(options: ClaimOptions, kind: ClaimKind, input: unknown): ResolvedClaim | undefined {
  const { key: wanted, ...settings } = settingsOf(options, kind);
  const key = typeof wanted === "function" ? wanted(input as never) : wanted;
  if (key === undefined && typeof wanted === "function") return undefined;
  return { ...settings, key: requireKey(optionOf(kind), key) };
}

function optionOf(kind: ClaimKind): string {
  return kind === "unique" ? kind : `${kind}.key`;
}

type Unkeyed<Claim> = Claim extends unknown ? Omit<Claim, "key"> : never;
type Settings = Unkeyed<ResolvedClaim> & { readonly key: KeyOf<never> | undefined };

function settingsOf({ unique, throttle, debounce }: ClaimOptions, kind: ClaimKind): Settings {
  switch (kind) {
    case "unique":
      return { kind, key: unique };
    case "throttle": {
      const { key, per } = known("throttle", throttle, ["key", "per"]);
      return { kind, key, perMs: durationMs("throttle.per", per, PER_MS_MIN, YEAR_MS) };
    }
    case "debounce": {
      const members = ["key", "wait", "maxWait", "payload"];
      const { key, wait, maxWait, payload } = known("debounce", debounce, members);
      const waitMs = durationMs("debounce.wait", wait, WAIT_MS_MIN, YEAR_MS);
      const longest = maxWait ?? Math.min(MAX_WAIT_FACTOR * waitMs, YEAR_MS);
      return {
        kind,
        key,
        waitMs,
        maxWaitMs: durationMs("debounce.maxWait", longest, waitMs, YEAR_MS),
        payload: requireOneOf("debounce.payload", payload ?? "last", ["first", "last"]),
      };
    }
  }
}

function known<T extends object>(what: string, given: T | undefined, members: string[]): T {
  requireKnownKeys(what, given as T, members);
  return given as T;
}

function requireKey(option: string, key: unknown): string {
  if (isId(key)) return key;
  throw new InvalidOptionsError(
    `${option} must have 1 to ${ID_LENGTH_MAX} characters out of letters, digits and . _ : @ / -, ` +
      `begin with a letter or digit and not end with "/"; got ${shown(key)}.`,
  );
}

/** Gives the key of a `unique` task free, as part of what ends or removes it. */
export function uniqueDeletes({ name, unique }: UniqueTask): Write[] {
  return unique === undefined ? [] : [del(claimKey("unique", name, unique))];
}

/** A task that may be unique. */
export interface UniqueTask {
  readonly name: string;
  readonly unique?: string | undefined;
}

/** The key of the claim that a task was created with; `undefined` for most tasks. */
export function claimOf({ name, unique, throttle, debounce }: SpecRecord): string | undefined {
  if (unique !== undefined) return claimKey("unique", name, unique);
  if (throttle !== undefined) return claimKey("throttle", name, throttle.key);
  return debounce && claimKey("debounce", name, debounce.key);
}
