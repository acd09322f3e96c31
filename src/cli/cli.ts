import { type App, createApp, DEFAULT_STORE } from "../app.ts";
import type { Clock } from "../base/clock.ts";
import { InvalidOptionsError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import { parseStoreUrl } from "../store/store-url.ts";
import type { RegisteredTask } from "../task/task.ts";
import type { Output } from "./output.ts";

/** What every command works with. */
export interface Cli {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  /** How the program will end; a command that throws decides by its error instead. */
  exitCode: number;
}

/** The options that every command has. */
export interface GlobalOptions {
  readonly store?: string;
}

/**
 * The URL of the store that the command is about.
 *
 * @throws StoreUrlError (`STORE_URL`) when it is malformed.
 * @throws InvalidOptionsError (`INVALID_OPTIONS`) for a store that would end with the command.
 */
export function storeUrlOf({ env }: Cli, { store }: GlobalOptions): string {
  const url = store ?? (env.ETASK_STORE || DEFAULT_STORE);
  if (parseStoreUrl(url).driver !== "memory") return url;
  throw new InvalidOptionsError(
    "memory: is a store within one process and would end with this command; " +
      "use embedded:DIRECTORY or etcd://HOST:PORT.",
  );
}

/** Opens the store for the time of `use`. */
export async function withStore<T>(
  cli: Cli,
  options: GlobalOptions,
  use: (store: Store) => Promise<T>,
): Promise<T> {
  // A command waits for its writes anyhow: a thread for them would only take time to start.
  const store = await openStore(storeUrlOf(cli, options), { inline: true });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Opens the store and an app on it for the time of `use`. */
export async function withApp<T>(
  cli: Cli,
  options: GlobalOptions & { readonly tasks?: readonly RegisteredTask[] },
  use: (app: App) => Promise<T>,
): Promise<T> {
  return withStore(cli, options, async (store) => {
    await using app = await createApp({ store, tasks: options.tasks ?? [] });
    return await use(app);
  });
}
