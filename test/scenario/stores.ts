import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EtcdServer, startEtcd } from "../support/etcd-server.ts";

/** A store for one scenario, and a directory for its files. */
export interface ScenarioStore extends AsyncDisposable {
  readonly url: string;
  readonly directory: string;
}

/** The stores that every scenario runs on. */
export const scenarioStores: readonly { name: string; open(): Promise<ScenarioStore> }[] = [
  { name: "embedded", open: async () => withDirectory((dir) => `embedded:${dir}/store`) },
  ...(["3.4", "3.5"] as const).map((line) => ({
    name: `etcd ${line}`,
    open: async () => {
      const server: EtcdServer = await startEtcd({ line });
      return withDirectory(
        () => `${server.url}/${randomUUID()}`,
        () => server.stop(),
      );
    },
  })),
];

async function withDirectory(
  urlIn: (directory: string) => string,
  stop: () => Promise<void> = async () => {},
): Promise<ScenarioStore> {
  const directory = await mkdtemp(join(tmpdir(), "etask-scenario-"));
  return {
    url: urlIn(directory),
    directory,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
