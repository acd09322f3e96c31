import { createHmac, timingSafeEqual } from "node:crypto";
import { type Clock, systemClock } from "../../base/clock.ts";

/** The header that carries the signature unless `sign.header` names another. */
export const SIGNATURE_HEADER = "etask-signature";
const TOLERANCE_MS = 300_000;
const FORM = /^t=(\d{1,12}),v1=([\da-f]{64})$/;

/**
 * Signs a request's body: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hex>`.
 * The body is signed as its bytes are sent; none is the empty body.
 */
export function signBody(secret: string, body: Uint8Array | string, now: number): string {
  const seconds = Math.floor(now / 1_000);
  return `t=${seconds},v1=${digestOf(secret, body, seconds).toString("hex")}`;
}

/**
 * Checks a signature on the receiving side: whether `header` was made with `secret` (or one of
 * several, while they change) over exactly these bytes, at most 5 minutes ago or ahead.
 */
export function verifySignature(
  secret: string | readonly string[],
  header: string | undefined,
  body: Uint8Array | string,
  options: { readonly toleranceMs?: number; readonly clock?: Pick<Clock, "now"> } = {},
): boolean {
  const { toleranceMs = TOLERANCE_MS, clock = systemClock } = options;
  const [, seconds, digest = ""] = FORM.exec(header ?? "") ?? [];
  if (seconds === undefined) return false;
  if (Math.abs(clock.now() - Number(seconds) * 1_000) > toleranceMs) return false;
  const given = Buffer.from(digest, "hex");
  const secrets = typeof secret === "string" ? [secret] : secret;
  return secrets.some((each) => timingSafeEqual(digestOf(each, body, Number(seconds)), given));
}

function digestOf(secret: string, body: Uint8Array | string, seconds: number): Buffer {
  return createHmac("sha256", secret).update(`${seconds}.`).update(body).digest();
}
