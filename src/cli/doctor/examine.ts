import { statfs } from "node:fs/promises";
import { viewQueues } from "../../broker/queue-view.ts";
import { listRunning } from "../../broker/running-view.ts";
import { readWorkers } from "../../broker/worker-view.ts";
import type { Store } from "../../store/store.ts";
import { parseStoreUrl, type StoreLocation } from "../../store/store-url.ts";
import { ensureSchema, SCHEMA_VERSION } from "../../task/meta.ts";
import type { Cli } from "../cli.ts";
import { checkBeat } from "./beat.ts";
import { clockFindings } from "./clocks.ts";
import { checkEtcd } from "./etcd.ts";
import { error, type Finding, ok } from "./finding.ts";
import { probeStore } from "./probe.ts";
import { listenForRecords, readSomeTasks, recordFindings } from "./records.ts";
import { checkSpace } from "./space.ts";
import { checkKinds, checkRunning, queueFindings } from "./work.ts";

const FREE_BYTES_MIN = 256 * 1024 ** 2;

/**
 * Looks at a store from all sides; each finding comes as soon as it is known. Everything is
 * bounded: on a large store it looks at a part and says so.
 *
 * @throws SchemaVersionError (`SCHEMA_VERSION`) and StoreError when there is no more to see.
 */
export async function* examine(store: Store, url: string, cli: Cli): AsyncGenerator<Finding, void> {
  const location = parseStoreUrl(url);
  // Servers that are out of space say so, while the probe would just fail.
  yield* await checkDriver(location);
  yield* await checkSpace(store);
  yield await probeStore(store, cli);
  await ensureSchema(store, cli.clock);
  yield ok("schema", `the keys have layout version ${SCHEMA_VERSION}, as this etask writes them`);
  using records = listenForRecords();
  const tasks = await readSomeTasks(store);
  const running = await listRunning(store);
  const workers = await readWorkers(store);
  const queues = await viewQueues(store, workers, running);
  yield* queueFindings(workers, queues);
  yield* await checkKinds(store, workers, queues);
  yield* await checkRunning(store, running.tasks, workers);
  yield await checkBeat(store, () => cli.clock.now());
  if (location.driver === "etcd") yield* clockFindings(workers, running.tasks, cli.clock.now());
  else yield ok("clocks", "an embedded store serves one machine, which has one clock");
  yield recordFindings(records, tasks);
}

async function checkDriver(location: StoreLocation): Promise<Finding[]> {
  switch (location.driver) {
    case "etcd":
      return checkEtcd(location);
    case "embedded":
      return [await checkDisk(location.directory)];
    case "memory":
      return [];
  }
}

async function checkDisk(directory: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  const message = `${Math.floor(freeBytes / 1024 ** 2)} MiB are free on the disk of ${directory}`;
  if (freeBytes >= FREE_BYTES_MIN) return ok("disk", message);
  return error("disk", message, "Free some space: a full disk takes no tasks.");
}
