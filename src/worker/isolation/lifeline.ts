/** The place of the lifeline among the file descriptors of a runner process. */
export const LIFELINE_FD = 4;

/** What a runner process says of its memory on its lifeline, with the bytes that it has. */
export type LifelineWord = "below" | "nearly" | "over";

/** The part of the limit from which V8 may abort a process without another word. */
export const NEARLY = 0.75;

/** What is left of the limit for everything but the heap of JavaScript. */
export const OTHER_BYTES: number = 64 * 1_048_576;

/** The newest thing that was said, if any; `text` is all that was heard. */
export function lastWord(text: string): { word: LifelineWord; bytes: number } | undefined {
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  const match = /^(below|nearly|over) (\d+)$/.exec(line);
  return match ? { word: match[1] as LifelineWord, bytes: Number(match[2]) } : undefined;
}
