import type { Mutation } from "./mutations.ts";

/** Bugs in what is made of answers, watches and reads. */
export const STORE_MUTATIONS: readonly Mutation[] = [
  {
    name: "retry without a nonce",
    bug: "A write whose answer was lost is sent again and taken for somebody else's.",
    source: "jetcd 0.8.2 by Jepsen (2024); FoundationDB commit_unknown_result",
    edits: [
      {
        file: "src/store/resolving-store.ts",
        find: "    if (!unknown) return this.#store.commit(parts);",
        replace: "    if (!unknown || parts.length > 0) return this.#store.commit(parts);",
      },
    ],
    caughtBy: ["I1", "I6", "I15", "I3", "I2"],
    seed: 5,
  },
  {
    name: "give up after a lost answer",
    bug: "An outcome whose answer was lost is not tried again: the task runs for ever.",
    source: "BullMQ #1656, #3185 (after a failover); Celery #10205",
    edits: [
      {
        file: "src/broker/hold.ts",
        find: "  return untilAnswered(() => store.commit(parts), world, signal, passes);",
        replace: "  return store.commit(parts);",
      },
    ],
    caughtBy: ["I15"],
    seed: 70,
  },
  {
    name: "list, then watch with a gap",
    bug: "What changes between the listing and the watch is never seen.",
    source: "microsoft/etcd3 #31, #78; BullMQ #383, #161 (wait races with the event)",
    edits: [
      {
        file: "src/coordination/follower.ts",
        find: "      const { entries, revision } = await listAll(store, range);",
        replace: `      const { entries } = await listAll(store, range);
      const { revision } = await store.range(range, { limit: 1 });`,
      },
      {
        file: "src/backend/waiters.ts",
        find: "      const options = { after: watch.position, signal, clock };",
        replace:
          "      const options = { after: await currentRevision(this.#store), signal, clock };",
      },
    ],
    caughtBy: ["I15", "I14", "I4"],
    seed: 10,
  },
  {
    name: "resume from the newest revision",
    bug: "A watch that was lost is opened again at the store's newest revision.",
    source: "etcd #18089, #20221; clients that resume from the response header",
    edits: [
      {
        file: "src/coordination/live-watch.ts",
        find: "    try {\n      for await (const batch of store.watch(range, { after: position, signal: ends })) {",
        replace:
          "    try {\n      if (position > after) position = (await store.range(range, { limit: 1 })).revision;\n      for await (const batch of store.watch(range, { after: position, signal: ends })) {",
      },
    ],
    caughtBy: ["I15"],
    seed: 1,
  },
  {
    name: "silence taken for peace",
    bug: "A watch that died unnoticed is trusted for ever; whoever waits hangs.",
    source: "Celery #8030, #8091, #10205; Hatchet #4254 (alive, and consumes nothing)",
    edits: [
      {
        file: "src/coordination/live-watch.ts",
        find: "export const SILENCE_MS = 30_000;",
        replace: "export const SILENCE_MS = 2_000_000_000;",
      },
    ],
    caughtBy: ["I15"],
    seed: 1,
  },
  {
    name: "waiter believes an old read",
    bug: "Whoever waits for a result reads an old state after the watch has passed the end.",
    source: "found by this simulation; BullMQ #383, Celery #4561 (result() hangs)",
    edits: [
      {
        file: "src/backend/waiters.ts",
        find: "    const since = Math.max(this.#watch?.position ?? 0, ...knownOpen(waiters));",
        replace: "    const since = 0;",
      },
    ],
    caughtBy: ["I15", "I13"],
    seed: 35,
  },
  {
    name: "cleaning up what was made anew",
    bug: "A task that is retried by hand is removed when the retention of its first life is over.",
    source: "BullMQ #3362 (automatic removal takes what is still waited for)",
    edits: [
      {
        file: "src/broker/redrive.ts",
        find: "      ...endingDeletes(task.spec, ended),\n",
        replace: "",
      },
    ],
    caughtBy: ["I1", "I2", "I3"],
    seed: 5,
  },
  {
    name: "no turns at keys",
    bug: "Writes of one caller to one key are in flight at once and overtake each other.",
    source: "etcd #18424 (retries break the order); FoundationDB",
    edits: [
      {
        file: "src/store/group-commit-store.ts",
        find: "      if (call.turns.awaited === 0) this.#makeReady(call);",
        replace: "      this.#makeReady(call);",
      },
    ],
    caughtBy: ["I1", "I15", "I2", "I3"],
    seed: 6,
  },
  {
    name: "hands forgotten on an old read",
    bug: "A rescuer reads a dead worker's task as it was before the take, and forgets it.",
    source: "found by this simulation; Oban #862, graphile-worker #204 (stuck after a crash)",
    edits: [
      {
        file: "src/broker/rescue-worker.ts",
        find: "  requireSince(goneAt, readRevision);\n",
        replace: "",
      },
    ],
    caughtBy: ["I2", "I15", "I12", "I14"],
    seed: 35,
  },
];
