/**
 * Many tasks at once, and what to do when the store goes away half-way: `resume()` hands over the
 * rest, and no task is made twice.
 *
 *   node --import tsx examples/bulk.ts
 */
import {
  createApp,
  DEFAULT_STORE,
  defineTask,
  EnqueuePartialError,
  openStore,
  type Store,
  StoreUnavailableError,
} from "etask";

const notify = defineTask({
  name: "user.notify",
  run: ({ user }: { user: number }) => `user ${user} knows`,
});

const store = await openStore(process.env.ETASK_STORE ?? DEFAULT_STORE);
try {
  await using app = await createApp({ store: failingOnce(store, 5), tasks: [notify] });
  const inputs = Array.from({ length: 1_000 }, (_, user) => ({ user }));
  const handles = await notify.delayMany(inputs).catch((error) => {
    if (!(error instanceof EnqueuePartialError)) throw error;
    console.log(`${error.landed.length} tasks landed, ${error.missing.length} are missing`);
    return error.resume();
  });
  const ids = new Set(handles.map(({ id }) => id));
  console.log(`${ids.size} tasks are in the queue`);
  await using worker = app.createWorker({ concurrency: 100 });
  await worker.start();
  const results = await Promise.all(handles.map((handle) => handle.result({ timeout: "1m" })));
  console.log(`${results.length} results, the last one is "${results.at(-1)}"`);
} finally {
  await store.close();
}

/** The store, cut off once, at its n-th commit: a network that goes away for a moment. */
function failingOnce(store: Store, n: number): Store {
  let commits = 0;
  const commit: Store["commit"] = async (parts) => {
    commits += 1;
    if (commits === n) throw new StoreUnavailableError("The network is away.", "no");
    return await store.commit(parts);
  };
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = name === "commit" ? commit : Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
