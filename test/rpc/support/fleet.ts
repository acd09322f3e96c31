import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, createApp } from "../../../src/app.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { createMemoryStorage } from "../../../src/store/memory/index.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { Store } from "../../../src/store/store.ts";
import type { RegisteredTask } from "../../../src/task/task.ts";
import { type Agent, type AgentOptions, serveAgent } from "../../../src/tasks/rpc/index.ts";
import { startEtcd } from "../../support/etcd-server.ts";

/** A store of any kind, opened for one test. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: Store;
}

/** The stores on which calls are tested. */
export const stores: readonly (readonly [name: string, open: () => Promise<OpenedStore>])[] = [
  ["memory", openMemory],
  ["embedded", openEmbedded],
  ["etcd", openEtcd],
];

/** A store of this thread. */
export async function openMemory(): Promise<OpenedStore> {
  const store = createMemoryStorage({ clock: systemClock }).open();
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

async function openEmbedded(): Promise<OpenedStore> {
  const directory = await mkdtemp(join(tmpdir(), "etask-rpc-"));
  const store = await openStore(`embedded:${directory}`);
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function openEtcd(): Promise<OpenedStore> {
  const server = await startEtcd();
  const store = await openStore(server.url);
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await server.stop();
    },
  };
}

/** An app with a worker, and agents beside it, on one store. */
export interface Fleet extends AsyncDisposable {
  readonly store: Store;
  readonly app: App;
  /** Starts one more agent, which is stopped with the fleet. */
  agent(options: Pick<AgentOptions, "methods"> & Partial<AgentOptions>): Promise<Agent>;
}

/** Opens a {@link Fleet} whose worker runs so many tasks at once. */
export async function openFleet(
  tasks: readonly RegisteredTask[],
  open: () => Promise<OpenedStore> = openMemory,
  concurrency = 10,
): Promise<Fleet> {
  const opened = await open();
  const { store } = opened;
  const app = await createApp({ store, tasks });
  await app.createWorker({ concurrency }).start();
  const agents: Agent[] = [];
  return {
    store,
    app,
    agent: async (options) => {
      const agent = await serveAgent({ store, name: "node-1", drain: 0, ...options });
      agents.push(agent);
      return agent;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(agents.map((agent) => agent.stop()));
      await app.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}
