import { type Report, shown, spreadIn } from "./markdown.ts";

/** Horizontal bars, a panel for each of the scenarios that say most, as an SVG without a script. */

const PANELS = [
  { scenario: "singles", figure: "rate", title: "Enqueue, concurrent single calls", unit: "/s" },
  { scenario: "bulk", figure: "rate", title: "Enqueue, bulk", unit: "/s" },
  { scenario: "drain", figure: "rate", title: "Process, one worker process", unit: "/s" },
  { scenario: "light", figure: "startP50", title: "Start, 200 tasks a second, p50", unit: " ms" },
  { scenario: "steady", figure: "startP99", title: "Start, half busy, p99", unit: " ms" },
] as const;

const WIDTH = 860;
const LABEL = 260;
const VALUE = 90;
const ROW = 22;
const BAR = 14;
const HEAD = 40;
const GAP = 24;

const COLORS = { etask: "#2563eb", raw: "#9ca3af", peer: "#d97706" } as const;

interface Bar {
  readonly name: string;
  readonly title: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Draws the medians, with a line from minimum to maximum. */
export function drawChart(report: Report): string {
  const parts: string[] = [];
  let top = GAP;
  for (const { scenario, figure, title, unit } of PANELS) {
    const bars = report.contenders.flatMap((contender): readonly Bar[] => {
      const spread = spreadIn(report, contender.name, scenario, figure);
      return spread === undefined ? [] : [{ ...contender, ...spread }];
    });
    if (bars.length === 0) continue;
    const better = figure === "rate" ? "more is better" : "less is better";
    parts.push(text(GAP, top + 16, `${title} (${better})`, 'font-weight="600" font-size="15"'));
    const largest = Math.max(...bars.map(({ max }) => max));
    parts.push(...bars.map((bar, index) => drawBar(bar, top + HEAD + index * ROW, largest, unit)));
    top += HEAD + bars.length * ROW + GAP;
  }
  const font = "system-ui, sans-serif";
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" ` +
    `width="${WIDTH}" height="${top}" font-family="${font}" font-size="13" fill="#111827">\n` +
    `<rect width="${WIDTH}" height="${top}" fill="#ffffff"/>\n${parts.join("\n")}\n</svg>\n`
  );
}

function drawBar(bar: Bar, y: number, largest: number, unit: string): string {
  const scale = (WIDTH - LABEL - VALUE - GAP) / largest;
  const at = (value: number) => (LABEL + value * scale).toFixed(1);
  const middle = y + BAR / 2;
  const width = Math.max(1, bar.median * scale).toFixed(1);
  const end = LABEL + bar.max * scale;
  return [
    text(LABEL - 8, y + BAR - 3, bar.title, 'text-anchor="end"'),
    `<rect x="${LABEL}" y="${y}" width="${width}" height="${BAR}" fill="${colorOf(bar.name)}"/>`,
    `<path d="M${at(bar.min)} ${middle}H${at(bar.max)}" stroke="#111827" stroke-width="1.5"/>`,
    text(end + 6, y + BAR - 3, `${shown(bar.median)}${unit}`, ""),
  ].join("\n");
}

function colorOf(name: string): string {
  if (name.startsWith("etask")) return COLORS.etask;
  return name.startsWith("raw") ? COLORS.raw : COLORS.peer;
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escaped}</text>`;
}
