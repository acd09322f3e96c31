import { InvalidOptionsError } from "./errors.ts";
import { shown } from "./options.ts";

/** Bytes, or a number with a unit: `"64KiB"`, `"256MiB"`, `"1.5GiB"`. */
export type ByteSize = number | string;

const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};
const PATTERN = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)$/;

/**
 * Reads an amount of memory as whole bytes.
 *
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) naming `option` when it is none or not in
 *   [min, max].
 */
export function byteSize(option: string, given: ByteSize, min: number, max: number): number {
  const match = typeof given === "string" ? PATTERN.exec(given.trim()) : undefined;
  const bytes = match ? Number(match[1]) * (UNIT_BYTES[match[2] as string] as number) : given;
  if (typeof bytes === "number" && bytes >= min && bytes <= max) return Math.round(bytes);
  throw new InvalidOptionsError(
    `${option} must be from ${shownBytes(min)} to ${shownBytes(max)}, as a number of bytes or text ` +
      `such as "64KiB", "256MiB" or "1.5GiB"; got ${shown(given)}.`,
  );
}

/** An amount of memory as people read it, in the largest unit that it fills: `"256 MiB"`. */
export function shownBytes(bytes: number): string {
  const units = Object.entries(UNIT_BYTES).reverse();
  const [name, size] = units.find(([, unit]) => bytes >= unit) ?? ["B", 1];
  return `${Number((bytes / size).toFixed(1))} ${name}`;
}
