import type { Told } from "./processes.ts";
import type { Report } from "./report.ts";

/** Which disks are being formatted, to see that no two handlers are ever at one. */
export class Disks {
  readonly #report: Report;
  readonly #busy = new Set<string>();
  readonly #reasons = new Map<string, string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** Notes what an agent says. */
  hear({ begun, ended, reason }: Told): void {
    if (begun !== undefined) {
      if (this.#busy.has(begun)) this.#report.check(`nobody else is at ${begun}`, false);
      this.#busy.add(begun);
    }
    if (ended === undefined) return;
    this.#busy.delete(ended);
    if (reason !== undefined) this.#reasons.set(ended, reason);
  }

  /** A node's process is dead, and with it all that it did. */
  lost(node: string): void {
    for (const disk of this.#busy) if (disk.startsWith(`${node}/`)) this.#busy.delete(disk);
  }

  /** Why the handler at a disk was told to stop. */
  reasonOf(disk: string): string | undefined {
    return this.#reasons.get(disk);
  }
}
