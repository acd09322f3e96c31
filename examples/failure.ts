/**
 * What a task may say when it cannot go on: not yet (`snooze`), at that time (`retryAt`), again (it
 * throws), or never (`noRetry`); and how one that runs is cancelled from outside.
 *
 *   node --import tsx examples/failure.ts
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createApp, defineTask, snooze } from "etask";

class AccountClosed extends Error {}

const charge = defineTask({
  name: "account.charge",
  retry: { attempts: 5, backoff: "constant", delay: "50ms", noRetry: [AccountClosed] },
  run({ account }: { account: string }, { attempt, id }) {
    if (account === "closed") throw new AccountClosed("the account was closed");
    if (account === "busy" && visits(id) < 3) return snooze("50ms");
    if (attempt < 3) throw new Error("the bank did not answer");
    return `charged at attempt ${attempt}`;
  },
});

const watchForever = defineTask({
  name: "account.watch",
  run: (_input: undefined, { signal }) => sleep(600_000, undefined, { signal }),
});

const seen = new Map<string, number>();
function visits(id: string): number {
  seen.set(id, (seen.get(id) ?? 0) + 1);
  return seen.get(id) ?? 0;
}

await using app = await createApp({ tasks: [charge, watchForever] });
await using worker = app.createWorker();
await worker.start();

for (const account of ["open", "busy", "closed"]) {
  const task = await charge.delay({ account });
  const end = await task.settle({ timeout: "1m" });
  const { attempts, snoozed } = await task.state();
  const how = end.state === "failed" ? end.error.message : end.state;
  console.log(`${account}: ${how}; ${attempts.length} attempts, put off ${snoozed} times`);
}

const watching = await watchForever.delay(undefined);
for await (const { state } of watching.watch()) if (state === "running") break;
const { outcome } = await watching.cancel({ reason: "seen enough", by: "the example" });
const { state } = await watching.settle({ timeout: "1m" });
console.log(`cancel: ${outcome}, then ${state}`);
