/** What one check of `etask doctor` found. */
export interface Finding {
  /** `error` needs somebody to act, `warning` to know. */
  readonly level: "ok" | "warning" | "error";
  /** What was looked at, in one word. */
  readonly check: string;
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** Nothing to do. */
export function ok(check: string, message: string): Finding {
  return { level: "ok", check, message };
}

/** Worth knowing. */
export function warning(check: string, message: string, advice: string): Finding {
  return { level: "warning", check, message, advice };
}

/** Somebody has to act. */
export function error(check: string, message: string, advice: string): Finding {
  return { level: "error", check, message, advice };
}

/** `1 task`, `2 tasks`, `no tasks`. */
export function counted(count: number, noun: string): string {
  return `${count === 0 ? "no" : count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The first few of many names, and how many more there are. */
export function some(names: readonly string[], shownMax = 3): string {
  const more = names.length - shownMax;
  return `${names.slice(0, shownMax).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
