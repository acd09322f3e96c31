import { STATUS_CODES } from "node:http";
import { TextDecoder } from "node:util";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { decodeJson } from "../../base/json.ts";
import { parseWith } from "../../task/input.ts";
import { describeRequest, type HttpAnswer } from "./http-client.ts";
import { HttpBadResponseError, HttpStatusError } from "./http-errors.ts";
import { retryAfterMs } from "./retry-after.ts";

const EXCERPT_LENGTH_MAX = 1_000;

/**
 * The result that an answer is: parsed JSON, text, or `undefined` for no body; what `output` makes
 * of it.
 *
 * @throws HttpStatusError unless the status is 2xx.
 * @throws HttpBadResponseError when the body is not what its type says, is neither JSON nor text,
 *   or does not fit `output`.
 */
export async function readAnswer(
  answer: HttpAnswer,
  output: StandardSchemaV1 | undefined,
  now: number,
): Promise<unknown> {
  if (answer.status < 200 || answer.status > 299) throw statusError(answer, now);
  const value = valueIn(answer);
  try {
    return await parseWith(output, `answer to ${describeRequest(answer.request)}`, value);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "INVALID_INPUT") throw error;
    throw new HttpBadResponseError((error as Error).message, { cause: error });
  }
}

function valueIn(answer: HttpAnswer): unknown {
  const { body } = answer;
  if (body.byteLength === 0) return undefined;
  const encoding = answer.header("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw bad(answer, `is encoded as ${encoding.slice(0, 40)}, which was not asked for`);
  }
  const [type = "", ...parameters] = (answer.header("content-type") ?? "text/plain")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  if (/^application\/(.+\+)?json$/.test(type)) return jsonOf(answer);
  if (!type.startsWith("text/") && !/^application\/(.+\+)?xml$/.test(type)) {
    throw bad(answer, `is neither JSON nor text but ${type.slice(0, 80)}`);
  }
  const charset = parameters.find((each) => each.startsWith("charset="))?.slice(8);
  return decoderOf(charset?.replaceAll('"', "")).decode(body);
}

function jsonOf(answer: HttpAnswer): unknown {
  try {
    return decodeJson(answer.body);
  } catch (error) {
    throw bad(answer, "says that it is JSON and is not", error);
  }
}

function decoderOf(charset = "utf-8"): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}

function bad(answer: HttpAnswer, what: string, cause?: unknown): HttpBadResponseError {
  return new HttpBadResponseError(`The answer to ${describeRequest(answer.request)} ${what}.`, {
    cause,
  });
}

function statusError(answer: HttpAnswer, now: number): HttpStatusError {
  const { status } = answer;
  const body = new TextDecoder().decode(answer.body).trim().slice(0, EXCERPT_LENGTH_MAX);
  const says = body === "" ? "." : `: ${body}`;
  return new HttpStatusError(
    `${describeRequest(answer.request)} answered ${status} ${STATUS_CODES[status] ?? ""}`.trimEnd() +
      says,
    { status, body, retryAfterMs: retryAfterMs(answer.header("retry-after"), now) },
  );
}
