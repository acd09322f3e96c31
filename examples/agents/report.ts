/** What the run prints, and what it found otherwise than it should be. */
export class Report {
  readonly findings: string[] = [];
  readonly #startedAt = performance.now();

  /** Says what happens. */
  say(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5);
    console.log(`${seconds} s  ${text}`);
  }

  /** Says whether something is as it should be. */
  check(what: string, holds: boolean): void {
    this.say(`${holds ? "✓" : "✗"} ${what}`);
    if (!holds) this.findings.push(what);
  }
}
