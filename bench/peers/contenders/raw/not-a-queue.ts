const REASON = "it is the limit of a store, not a queue";

/** The scenarios that only a queue can take part in. */
export const NOT_A_QUEUE: Readonly<Record<string, string>> = {
  steady: REASON,
  "workers-2": REASON,
  "workers-4": REASON,
  "workers-8": REASON,
  delayed: REASON,
  progress: REASON,
  awaiting: REASON,
};
