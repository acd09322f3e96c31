import { createApp, EtaskError, type Store } from "../../src/index.ts";

/** Everything that anybody could have written. */
export const EVERY_KEY = { start: "", end: "\x7f" };

/** A text that goes into payloads and passwords and must never come out in a message. */
export const SECRET = "hunter2-hunter2";

/** An app on a memory store of its own, with its revision. */
export async function openMemoryApp(options: Parameters<typeof createApp>[0] = {}) {
  const app = await createApp({ store: "memory:", ...options });
  return Object.assign(app, { revision: () => revisionOf(app.store) });
}

/** The revision of the newest change, by anybody. */
export async function revisionOf(store: Store): Promise<number> {
  return (await store.range(EVERY_KEY, { limit: 1 })).revision;
}

/**
 * What `act` throws, at once or later. It must be an error of etask that says something and keeps
 * secrets to itself, and nothing may have been written to `store` meanwhile.
 */
export async function refusal(
  act: () => unknown,
  store?: Store,
): Promise<{ code: string; message: string; error: EtaskError }> {
  const before = store && (await revisionOf(store));
  const error = await thrownBy(act);
  const after = store && (await revisionOf(store));
  if (before !== after) throw new Error(`Revision ${before} became ${after}: ${error}`);
  if (!(error instanceof EtaskError)) throw new Error("It is no error of etask.", { cause: error });
  if (`${error.message}${error.stack}`.includes(SECRET)) {
    throw new Error("The message tells a secret.", { cause: error });
  }
  return { code: error.code, message: error.message, error };
}

async function thrownBy(act: () => unknown): Promise<unknown> {
  try {
    const result = await act();
    if (isIterable(result)) for await (const _ of result) break;
  } catch (error) {
    return error;
  }
  throw new Error(`Nothing was thrown by ${act}`);
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && typeof value === "object" && Symbol.asyncIterator in value;
}
