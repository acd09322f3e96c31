import { channel } from "node:diagnostics_channel";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createApp } from "../../src/index.ts";
import { startEtcd } from "../support/etcd-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { note, tasks } from "./tasks.ts";

const DROPS = 30;
const TASKS_AT_ONCE = 20;
const DROP_MS = 15;
// The proxy is the only way in: what the member advertises leads nowhere.
const FLAGS = ["--advertise-client-urls", "http://127.0.0.1:1"];

test("30 lost replies to takes and finishes lead to no wrong belief", {
  timeout: 120_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "etask-scenario-"));
  const log = join(directory, "log");
  await writeFile(log, "");
  await using server = await startEtcd({ line: "3.5", flags: FLAGS });
  await using proxy = await TcpProxy.start(server.endpoint);
  const lost = { replies: 0, stale: 0 };
  const onResolving = () => {
    lost.replies += 1;
  };
  const onStale = () => {
    lost.stale += 1;
  };
  channel("etask:store:resolving").subscribe(onResolving);
  channel("etask:task:stale").subscribe(onStale);
  const ids: string[] = [];
  {
    await using producer = await createApp({ store: `${server.url}/lost` });
    const url = `etcd://127.0.0.1:${proxy.endpoint.port}/lost`;
    await using app = await createApp({ store: url, tasks });
    await app.createWorker({ concurrency: 4, leaseTtl: "1m" }).start();
    while (lost.replies < DROPS) {
      const handles = await Promise.all(
        Array.from({ length: TASKS_AT_ONCE }, () => producer.enqueue(note.name, { log })),
      );
      ids.push(...handles.map(({ id }) => id));
      proxy.mode = "drop-replies";
      await sleep(DROP_MS);
      proxy.reset();
      proxy.mode = "pass";
      await Promise.all(handles.map((handle) => handle.result({ timeout: "60s" })));
    }
    for (const id of ids) expect((await producer.backend.get(id))?.attempt).toBe(1);
  }
  channel("etask:store:resolving").unsubscribe(onResolving);
  channel("etask:task:stale").unsubscribe(onStale);
  const started = (await readFile(log, "utf8")).trim().split("\n");
  const startedIds = started.map((line) => (JSON.parse(line) as { id: string }).id);
  await rm(directory, { recursive: true });
  expect(startedIds.sort()).toEqual(ids.sort());
  expect(lost.stale).toBe(0);
});
