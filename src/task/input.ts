import type { StandardSchemaV1 } from "@standard-schema/spec";
import { EtaskError, InvalidOptionsError } from "../base/errors.ts";
import { shown } from "../base/options.ts";

/**
 * The input does not fit the task's schema. Correct it; another attempt would fail the same way.
 */
export class InvalidInputError extends EtaskError {
  readonly code = "INVALID_INPUT";
}

const ISSUES_SHOWN_MAX = 5;

/** @throws InvalidOptionsError (`INVALID_OPTIONS`) unless `schema` is one, or there is none. */
export function requireSchema(schema: unknown, option = "input"): void {
  if (schema === undefined) return;
  const standard = (schema as { "~standard"?: { validate?: unknown } } | null)?.["~standard"];
  if (typeof standard?.validate === "function") return;
  throw new InvalidOptionsError(
    `${option} must be a Standard Schema (https://standardschema.dev), as zod, valibot and arktype ` +
      `make them; got ${shown(schema)}.`,
  );
}

/**
 * Runs a Standard Schema (https://standardschema.dev) over `value` and returns what it made of it.
 *
 * `what` names the value in the message, as in `input of disk.format`.
 *
 * @throws InvalidInputError (`INVALID_INPUT`) naming each member that does not fit, up to five.
 */
export async function parseWith(
  schema: StandardSchemaV1 | undefined,
  what: string,
  value: unknown,
): Promise<unknown> {
  if (schema === undefined) return value;
  const outcome = schema["~standard"].validate(value);
  const result = outcome instanceof Promise ? await outcome : outcome;
  if (result.issues === undefined) return result.value;
  const texts = result.issues.slice(0, ISSUES_SHOWN_MAX).map(issueText);
  const more = result.issues.length - texts.length;
  throw new InvalidInputError(
    `The ${what} does not fit its schema: ${texts.join("; ")}${more > 0 ? `; and ${more} more` : ""}.`,
  );
}

function issueText(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((each) => String(typeof each === "object" ? each.key : each));
  return path.length === 0 ? issue.message : `${path.join(".")}: ${issue.message}`;
}
