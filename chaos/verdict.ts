import { findingText } from "../sim/oracle/finding.ts";
import type { Report } from "./run.ts";

const FINDINGS_MAX = 20;

/** What came of a run, on one page. */
export function verdictText(
  { verdict, faults, lives, acts }: Report,
  { place, seed }: { readonly place: string; readonly seed: number },
): string {
  const kinds = new Map<string, number>();
  for (const { kind } of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const counts = [...kinds].map(([kind, times]) => `${kind} ${times}`).join(", ");
  const lines = [
    "",
    `${place}, seed ${seed}: ${acts} acts by ${lives} lives of processes`,
    `${faults.length} faults: ${counts}`,
    "",
  ];
  for (const { invariant, title, counts: judged, findings } of verdict.rows) {
    const mark = findings.length === 0 ? "ok  " : `${findings.length} BROKEN`;
    lines.push(`${mark} ${invariant.padEnd(3)} ${title}: ${judged}`);
  }
  const { findings } = verdict;
  lines.push("", findings.length === 0 ? "Nothing is broken." : `${findings.length} findings:`);
  for (const each of findings.slice(0, FINDINGS_MAX)) lines.push(`  ${findingText(each)}`);
  if (findings.length > FINDINGS_MAX) lines.push(`  … ${findings.length - FINDINGS_MAX} more`);
  return lines.join("\n");
}
