import { InvalidOptionsError } from "./errors.ts";

/**
 * How a value is shown in an error message: short, on one line, never longer than 80 characters.
 */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : describe(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function describe(value: unknown): string {
  if (value !== null && typeof value === "object")
    return `a value of type ${value.constructor?.name ?? "object"}`;
  return String(value);
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `value` is a whole number in [min, max].
 */
export function requireInteger(option: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
    return value as number;
  throw new InvalidOptionsError(
    `${option} must be a whole number from ${min} to ${max}; got ${shown(value)}.`,
  );
}

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `value` is one of `allowed`. */
export function requireOneOf<T extends string>(
  option: string,
  value: unknown,
  allowed: readonly T[],
): T {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new InvalidOptionsError(
    `${option} must be one of ${allowed.join(", ")}; got ${shown(value)}.`,
  );
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `value` is a text of 1 to `lengthMax`
 *   characters.
 */
export function requireText(option: string, value: unknown, lengthMax: number): string {
  if (typeof value === "string" && value.length >= 1 && value.length <= lengthMax) return value;
  const got = typeof value === "string" ? `${value.length} characters` : shown(value);
  throw new InvalidOptionsError(
    `${option} must be a text of 1 to ${lengthMax} characters; got ${got}.`,
  );
}

/**
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) when `given` is no object, or has a member that
 *   is not in `known`.
 */
export function requireKnownKeys(what: string, given: object, known: readonly string[]): void {
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new InvalidOptionsError(`${what} must be an object of options; got ${shown(given)}.`);
  }
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    throw new InvalidOptionsError(
      `${what} has no option ${shown(key)}; known options: ${known.join(", ")}.`,
    );
  }
}
