import type { Mutation } from "./mutations.ts";

/** Bugs in what waits for a time, in schedules and in what may exist once. */
export const TIME_MUTATIONS: readonly Mutation[] = [
  {
    name: "delayed task lost between two indexes",
    bug: "A delayed task leaves its index before it is ready; if the process dies then, it is lost.",
    source: "Celery #3501 (tasks with an ETA are lost when a worker is killed)",
    edits: [
      {
        file: "src/broker/promote.ts",
        find: `      del(due.key),
      put(stateKey, encodeRecord(next)),
      put(readyKey(spec.id, position), readyAgainValue(spec, next, spec)),`,
        replace: `      del(due.key),
      put(stateKey, encodeRecord(next)),`,
      },
    ],
    caughtBy: ["I2"],
    seed: 1,
  },
  {
    name: "early by a read ahead",
    bug: "Delayed tasks start before their time.",
    source: "Celery #6438, Bull #2207 (an hour early or late around clock changes)",
    edits: [
      {
        file: "src/beat/timed-index.ts",
        find: "  const { end } = index.range(now);",
        replace: "  const { end } = index.range(now + 1_000);",
      },
    ],
    caughtBy: ["I9"],
    seed: 1,
  },
  {
    name: "stray entry dropped on an old read",
    bug: "A stale read shows a task as it was before it had to wait; it then waits for ever.",
    source: "found by this simulation; etcd 3.4 stale reads",
    edits: [
      {
        file: "src/broker/promote.ts",
        find: "  return { guards: asRead(due, read), writes: [del(due.key)] };",
        replace: "  return { guards: asRead(due, read).slice(0, 1), writes: [del(due.key)] };",
      },
    ],
    caughtBy: ["I2"],
    seed: 2,
  },
  {
    name: "missing spec believed on an old read",
    bug: "A stale read does not show the spec of a large task, and it fails as damaged.",
    source: "found by this simulation; etcd 3.4 stale reads",
    edits: [
      {
        file: "src/worker/executor.ts",
        find: 'getSince(store, taskKey(id, "spec"), run.attempt.fence)',
        replace: 'getSince(store, taskKey(id, "spec"), 0)',
      },
    ],
    caughtBy: ["I6"],
    seed: 2,
  },
  {
    name: "ids of ticks by the clock",
    bug: "Two schedulers at once make two tasks for one instant.",
    source: "Celery #2856 (two beats); River #342, oban-py #32 (three leaders)",
    edits: [
      {
        file: "src/schedule/run-part.ts",
        find: `    guards: [keyUnchanged(key, revision), ...enqueue.guards],
    writes: [put(key, encodeRecord(next)), ...enqueue.writes],`,
        replace: `    guards: enqueue.guards.slice(1),
    writes: [put(key, encodeRecord(next)), ...enqueue.writes],`,
      },
    ],
    caughtBy: ["I1", "I2", "I3", "I10"],
    seed: 15,
  },
  {
    name: "schedule moves on alone",
    bug: "The schedule is moved past an instant, and its task is not made.",
    source: "River #791, Celery #251 (gap after a failover)",
    edits: [
      {
        file: "src/schedule/run-part.ts",
        find: "    writes: [put(key, encodeRecord(next)), ...enqueue.writes],",
        replace: "    writes: [put(key, encodeRecord(next))],",
      },
      {
        file: "src/schedule/run-part.ts",
        find: "  return {\n    ...enqueue,\n",
        replace: "  return {\n",
      },
    ],
    caughtBy: ["I10"],
    seed: 2,
  },
  {
    name: "unique by looking first",
    bug: "Two callers at once both find the key free and make two tasks.",
    source: "Sidekiq Enterprise wiki, celery-once #10 (uniqueness is best effort)",
    edits: [
      {
        file: "src/broker/claim-part.ts",
        find: "    guards: [keyUnchanged(key, seen)],",
        replace: "    guards: seen < 0 ? [keyUnchanged(key, seen)] : [],",
      },
    ],
    caughtBy: ["I12"],
    seed: 1,
  },
  {
    name: "lock outlives its task",
    bug: "The key of a unique task stays taken when the task has failed.",
    source: "celery-singleton #15; unicef/hope #6382 (locks survive for hours)",
    edits: [
      {
        file: "src/broker/finish.ts",
        find: "    ...uniqueDeletes({ name, unique }),",
        replace: '    ...(final.state === "failed" ? [] : uniqueDeletes({ name, unique })),',
      },
    ],
    caughtBy: ["I12"],
    seed: 1,
  },
];
