import type { TaskContext } from "../../task/context.ts";
import { LineSplitter } from "./line-splitter.ts";
import { TailBuffer } from "./tail-buffer.ts";

/** How a program tells its progress: see `progress` of {@link CommandTaskOptions}. */
export type ProgressRule = RegExp | "json-lines" | undefined;

const LINE_LENGTH_MAX = 65_536;
/** What a progress pattern is tried on: patterns may be slow on long lines. */
const MATCHED_LENGTH_MAX = 1_024;

/** What a program wrote to one stream, while it writes: logged, looked through, its end kept. */
export interface OutputStream {
  readonly tail: TailBuffer;
  push(chunk: Buffer): void;
  /** No more comes. */
  end(): void;
}

/** Creates an {@link OutputStream}; `name` goes before each of its lines in the log. */
export function createOutputStream(
  name: "stdout" | "stderr",
  bytesMax: number,
  progress: ProgressRule,
  context: Pick<TaskContext, "log" | "progress">,
): OutputStream {
  const tail = new TailBuffer(bytesMax);
  const splitter = new LineSplitter(LINE_LENGTH_MAX);
  const takesReports = progress === "json-lines" && name === "stdout";
  const read = (lines: readonly string[]) => {
    const output = takesReports ? lines.filter((line) => !reportJson(line, context)) : lines;
    if (progress instanceof RegExp) for (const line of output) reportMatch(progress, line, context);
    if (takesReports) for (const line of output) tail.push(Buffer.from(`${line}\n`));
    const texts = output.map((line) => line.trimEnd()).filter((line) => line !== "");
    if (texts.length > 0) context.log(texts.map((text) => `${name}: ${text}`).join("\n"));
  };
  return {
    tail,
    push: (chunk) => {
      if (!takesReports) tail.push(chunk);
      read(splitter.push(chunk));
    },
    end: () => read(splitter.end()),
  };
}

function reportMatch(pattern: RegExp, line: string, context: Pick<TaskContext, "progress">): void {
  const percent = Number(pattern.exec(line.slice(0, MATCHED_LENGTH_MAX))?.[1] ?? Number.NaN);
  if (Number.isFinite(percent)) context.progress(percent);
}

/** Whether the line was a report: `{ "progress": 42, "detail": … }`. */
function reportJson(line: string, context: Pick<TaskContext, "progress">): boolean {
  if (!line.startsWith("{") || !line.includes('"progress"')) return false;
  try {
    const { progress, detail } = JSON.parse(line);
    if (typeof progress !== "number") return false;
    context.progress(progress, detail);
    return true;
  } catch {
    // Not JSON, or a detail that no progress can hold: it is output like any other.
    return false;
  }
}
