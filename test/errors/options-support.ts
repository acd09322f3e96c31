import { expect } from "vitest";
import { type App, createApp, defineTask, type TaskDefinition } from "../../src/index.ts";
import { openMemoryApp, refusal } from "./refusal.ts";

/** Gives back its input. */
export const echo = defineTask({ name: "echo", run: (input: unknown) => input });

/** What a program that the compiler did not check may hand in. */
export const unchecked = (value: unknown): never => value as never;

/** An app on a memory store of its own. */
export async function setup(): Promise<App> {
  return openMemoryApp({ tasks: [echo] });
}

/** Refused with `INVALID_OPTIONS`, all of `words` in the message, nothing written. */
export async function expectInvalid(
  app: App | undefined,
  act: () => unknown,
  ...words: string[]
): Promise<void> {
  const { code, message } = await refusal(act, app?.store);
  expect({ code, message }).toEqual({ code: "INVALID_OPTIONS", message: expect.any(String) });
  for (const word of words) expect(message).toContain(word);
}

/** An app with one task of these options. */
export function defineApp(
  options: Partial<TaskDefinition<unknown, unknown, unknown>>,
): Promise<App> {
  const tasks = [defineTask({ name: "defined", run: () => {}, ...options })];
  return createApp({ store: "memory:", tasks });
}
