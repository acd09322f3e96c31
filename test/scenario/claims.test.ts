import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type App, createApp } from "../../src/index.ts";
import { type ScenarioStore, scenarioStores } from "./stores.ts";
import { gate, note, tasks } from "./tasks.ts";
import { WorkerChild } from "./worker-child.ts";

const PRODUCERS = 5;
const CALLS = 20;

interface Bundle extends AsyncDisposable {
  readonly apps: readonly [App, ...App[]];
  readonly url: string;
  readonly input: { readonly log: string; readonly gate: string };
}

async function setup(open: () => Promise<ScenarioStore>, producers = 1): Promise<Bundle> {
  const { url, directory, ...store } = await open();
  const apps: App[] = [];
  for (let count = 0; count < producers; count += 1) {
    apps.push(await createApp({ store: url, tasks }));
  }
  const input = { log: join(directory, "log"), gate: join(directory, "gate") };
  await writeFile(input.log, "");
  return {
    apps: apps as [App, ...App[]],
    url,
    input,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(apps.map((app) => app.close()));
      await store[Symbol.asyncDispose]();
    },
  };
}

describe.each(scenarioStores)("$name", ({ open }) => {
  test("row 25: a unique task whose worker is killed stays unique until it has ended", async () => {
    await using bundle = await setup(open);
    const { apps, url, input } = bundle;
    const [app] = apps;
    const unique = { unique: "disk/sdb" };
    await using first = await WorkerChild.start(url, { leaseTtl: 3_000 });
    const handle = await app.enqueue(gate.name, input, unique);
    await first.seen("etask:task:taken");
    first.signal("SIGKILL");
    await first.ended();
    const again = await app.enqueue(gate.name, input, unique);
    expect(again).toMatchObject({ id: handle.id, created: false });

    await using second = await WorkerChild.start(url, { leaseTtl: 3_000 });
    await second.seen("etask:task:taken");
    expect(await app.enqueue(gate.name, input, unique)).toMatchObject({ id: handle.id });
    await writeFile(input.gate, "");
    expect(await again.result({ timeout: "30s" })).toEqual({ pid: second.pid });
    expect(await handle.state()).toMatchObject({ attempt: 2, unique: "disk/sdb" });
    const next = await app.enqueue(gate.name, input, unique);
    expect(next.created).toBe(true);
    expect(await next.result({ timeout: "30s" })).toEqual({ pid: second.pid });
  });

  test("row 25: of a hundred producers that race one creates the task, whatever its claim", async () => {
    await using bundle = await setup(open, PRODUCERS);
    const claims = [
      { unique: "a" },
      { throttle: { key: "a", per: "1h" } },
      { debounce: { key: "a", wait: "1h" } },
    ];
    for (const claim of claims) {
      const racing = bundle.apps.flatMap((app, a) =>
        Array.from({ length: CALLS }, (_, n) => app.enqueue("x", a * CALLS + n, claim)),
      );
      const handles = await Promise.all(racing);
      expect(handles.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(handles.map(({ id }) => id)).size).toBe(1);
    }
    const { tasks: made } = await bundle.apps[0].backend.list();
    expect(made).toHaveLength(claims.length);
  });

  test("row 24: a debounce and a throttle of many calls from many producers run once each", async () => {
    await using bundle = await setup(open, PRODUCERS);
    const { apps, url, input } = bundle;
    await using worker = await WorkerChild.start(url, { concurrency: 4 });
    const claims = [{ debounce: { key: "a", wait: 1_000 } }, { throttle: { key: "a", per: "1m" } }];
    for (const claim of claims) {
      const calls = apps.flatMap((app) =>
        Array.from({ length: 4 }, () => app.enqueue(note.name, input, claim)),
      );
      const [handle] = await Promise.all(calls);
      expect(await handle?.result({ timeout: "30s" })).toEqual({ pid: worker.pid });
    }
    expect(worker.all("etask:task:taken")).toHaveLength(2);
  });
});
