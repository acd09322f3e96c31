import { defineTask } from "etask";

/** Does nothing with its 100 bytes: what is measured is the queue. */
export const empty = defineTask({
  name: "bench.empty",
  run: (_input: { readonly payload: string }) => undefined,
});

/** Says when it started, by this machine's clock. */
export const stamp = defineTask({
  name: "bench.stamp",
  run: (_input: { readonly payload: string }) => performance.timeOrigin + performance.now(),
});

/** An input of about 100 bytes as JSON. */
export const input = { payload: "x".repeat(86) };

/** Says by how many milliseconds it starts late. */
export const late = defineTask({
  name: "bench.late",
  run: ({ dueAt }: { dueAt: number }) => Date.now() - dueAt,
});
