import type { Mutation } from "./mutations.ts";

/** Bugs in taking tasks, running them and giving them to somebody else. */
export const ATTEMPT_MUTATIONS: readonly Mutation[] = [
  {
    name: "unfenced finish",
    bug: "An attempt that has lost its task ends the one that runs now.",
    source: "pg-boss #555; BullMQ #489, #596, #1497 (lock lost while the event loop stands)",
    edits: [
      {
        file: "src/broker/finish.ts",
        find: `    guards: [attemptHolds(attempt)],
    writes: [...writes, ...acknowledged, ...also],`,
        replace: `    guards: [],
    writes: [...writes, ...acknowledged, ...also],`,
      },
    ],
    caughtBy: ["I2", "I3", "I5"],
    seed: 3,
  },
  {
    name: "rescue by belief",
    bug: "A worker that lives is taken for dead, and its tasks run twice.",
    source: "Celery #5935, #3270 (redis visibility timeout); Bull #412",
    edits: [
      {
        file: "src/broker/rescue.ts",
        find: `      keyAbsent(workerKey(from)),
      keyUnchanged(stateEntry.key, stateEntry.modRevision),
      cancel ?`,
        replace: `      keyUnchanged(stateEntry.key, stateEntry.modRevision),
      cancel ?`,
      },
      {
        file: "src/broker/rescue-worker.ts",
        find: `  if (await store.get(key)) return undefined;
  const [result] = await store.commit([{ guards: [keyAbsent(key)], writes: [del(key)] }]);
  return result?.applied ? result.revision : undefined;`,
        replace: "  return key ? 1 : undefined;",
      },
    ],
    caughtBy: ["I4", "I2"],
    seed: 1,
  },
  {
    name: "take without a session",
    bug: "A worker whose lease is gone goes on taking tasks that nobody gives back.",
    source: "etcd lock analysis by Jepsen (2020): a lease alone protects nothing",
    edits: [
      {
        file: "src/broker/take.ts",
        find: `    guards: [
      taker.alive,
      keyUnchanged(key, modRevision),`,
        replace: `    guards: [
      keyUnchanged(key, modRevision),`,
      },
    ],
    caughtBy: ["I4", "I2"],
    seed: 10,
  },
  {
    name: "popped before it is written",
    bug: "A task leaves its queue in one step and is noted as running in the next one.",
    source: "Sidekiq #1831 (BRPOP); Resque",
    edits: [
      {
        file: "src/broker/take.ts",
        find: "    writes: [del(key), put(stateKey, encodeRecord(state))],",
        replace: "    writes: [del(key)],",
      },
      {
        file: "src/broker/take.ts",
        find: `    otherwise: [key, settingsKey],
    witness: stateKey,`,
        replace: "    otherwise: [key, settingsKey],",
      },
    ],
    caughtBy: ["I2"],
    seed: 1,
  },
  {
    name: "nobody knows who has it",
    bug: "What a worker holds is noted nowhere, so nothing is put back when it dies.",
    source: "Sidekiq #1831, #3845 (reliable fetch is sold separately)",
    edits: [
      {
        file: "src/broker/take.ts",
        find: "encodeRecord(handOf(entries))",
        replace: "encodeRecord(handOf([]))",
      },
    ],
    caughtBy: ["I2"],
    seed: 1,
  },
  {
    name: "list dropped too early",
    bug: "The list of what a worker holds goes with its first outcome, not its last.",
    source: "Oban #862, graphile-worker #204 (tasks of a crashed worker stay stuck)",
    edits: [
      {
        file: "src/worker/hands.ts",
        find: "    if (open?.left !== 1) return [];",
        replace: "    if (!open) return [];",
      },
    ],
    caughtBy: ["I2"],
    seed: 1,
  },
  {
    name: "report after the end",
    bug: "Progress of an attempt that is over shows up on a task that has ended or runs elsewhere.",
    source: "pg-boss #555 (what an expired job says overwrites what is so by then)",
    edits: [
      {
        file: "src/task/progress.ts",
        find: `  return {
    guards: [attemptHolds(attempt)],
    writes: [progressWrite(attempt.id, progress)],`,
        replace: `  return {
    guards: [],
    writes: [progressWrite(attempt.id, progress)],`,
      },
    ],
    caughtBy: ["I5", "I14"],
    seed: 10,
  },
  {
    name: "cancel forgotten by a retry",
    bug: "A task that somebody has cancelled while it ran is tried again.",
    source: "Celery #4300, #1246 (revokes live in a worker's memory)",
    edits: [
      {
        file: "src/broker/finish.ts",
        find: "    guards: [attemptHolds(attempt), keyAbsent(cancel)],",
        replace: "    guards: [attemptHolds(attempt)],",
      },
    ],
    caughtBy: ["I3"],
    seed: 140,
  },
  {
    name: "pause is a hint",
    bug: "Tasks of a queue are taken after its pause was confirmed.",
    source: "queues whose workers hear of a pause by a message",
    edits: [
      {
        file: "src/broker/take.ts",
        find: `      keyUnchanged(settingsKey, settings),
`,
        replace: "",
      },
      {
        file: "src/broker/take.ts",
        find: "  settings: Revision,\n): Part {",
        replace: "  _settings: Revision,\n): Part {",
      },
    ],
    caughtBy: ["I4"],
    seed: 1,
  },
  {
    name: "priorities turned round",
    bug: "The least urgent task goes first.",
    source: "Celery #4028 (priority means opposite things); etcd sorts after it limits",
    edits: [
      {
        file: "src/broker/ready-window.ts",
        find: "    const entry = this.#entries.shift();",
        replace: "    const entry = this.#entries.pop();",
      },
    ],
    caughtBy: ["I8", "I15"],
    seed: 1,
  },
  {
    name: "ended without its spec",
    bug: "A large task that is cancelled before it starts keeps its unique key, and is kept for a week.",
    source: "found by this simulation; unicef/hope #6382 (locks outlive their tasks)",
    edits: [
      {
        file: "src/worker/executor.ts",
        find: "    if (!run.spec) await this.#spec(run).catch(() => {});\n",
        replace: "",
      },
    ],
    caughtBy: ["I12", "I14"],
    seed: 13,
  },
];
