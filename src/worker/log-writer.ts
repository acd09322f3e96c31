/**
 * Writes what one attempt logs, and waits for nobody.
 *
 * Lines gather in pieces; a piece that has been written grows until it is full, then the next one
 * begins, at the next slot of the ring. At most every {@link PERIOD_MS} all pieces that changed are
 * written in one part that the attempt's fence guards; what is left at the end goes along with the
 * outcome. No more pieces are remembered than the ring has slots, so a handler that logs without
 * end costs no more memory than that, and what it pushes out unwritten is not missed.
 *
 * An attempt at a task that has a log already reads it before its first write, to go on where it
 * ends. While the store is away the pieces wait for the next period. When the store refuses a
 * write, the attempt has lost its task, and nothing more is written. If the process dies, the lines
 * of the last period are lost.
 */
import type { CancelTimer } from "../base/clock.ts";
import type { LoopWorld } from "../base/loop.ts";
import { untilAnswered } from "../coordination/until-answered.ts";
import { put, type Write } from "../store/part.ts";
import type { Store } from "../store/store.ts";
import { type Attempt, attemptHolds } from "../task/attempt.ts";
import { LOG_CHUNK_BYTES_MAX, logLines, readLogRecords, requireLogText } from "../task/log.ts";
import { LOG_SLOTS, logKey } from "../task/log-keys.ts";
import { encodeRecord, type LogRecord } from "../task/records.ts";

const PERIOD_MS = 500;
/** About what a line takes besides its text. */
const LINE_BYTES = 24;

interface Piece {
  readonly chunk: number;
  first: number;
  readonly lines: (readonly [at: number, attempt: number, text: string])[];
  bytes: number;
  /** Lines that are known to be in the store. */
  written: number;
}

/** What a log writer works with. */
export interface LogWorld {
  readonly store: Store;
  readonly world: LoopWorld;
  /** Aborts when what was logged need not be written any longer. */
  readonly giveUp: AbortSignal;
  /** The store refused a write: the attempt has lost its task. */
  stale(): void;
}

/** See the essay above. */
export class LogWriter {
  readonly #with: LogWorld;
  readonly #attempt: Attempt;
  #pieces: Piece[] = [];
  /** Where the log of earlier attempts ends; until that is known, lines are numbered from 0. */
  #known: Promise<void> | undefined;
  #before: { readonly chunk: number; readonly line: number } | undefined;
  #writing = false;
  #cancelTimer: CancelTimer | undefined;
  #closed = false;

  constructor(world: LogWorld, attempt: Attempt) {
    this.#with = world;
    this.#attempt = attempt;
    if (!attempt.state.logged) this.#before = { chunk: 0, line: 0 };
  }

  /** Takes text of one or more lines; see `TaskContext.log`. */
  add(text: string): void {
    requireLogText(text);
    if (this.#closed) return;
    const at = this.#with.world.clock.now();
    for (const line of logLines(text)) this.#append(at, line);
    this.#arm();
  }

  /** Stops writing. Returns the writes that the outcome must carry. */
  async close(): Promise<readonly Write[]> {
    this.#closed = true;
    this.#cancelTimer?.();
    if (this.#pieces.every(isWritten)) return [];
    await this.#find();
    return this.#pieces.filter((piece) => !isWritten(piece)).map((piece) => this.#write(piece));
  }

  #append(at: number, text: string): void {
    const bytes = bytesOf(text);
    let piece = this.#pieces.at(-1);
    if (!piece || piece.bytes + bytes > LOG_CHUNK_BYTES_MAX) {
      piece = {
        chunk: piece ? piece.chunk + 1 : 0,
        first: piece ? piece.first + piece.lines.length : 0,
        lines: [],
        bytes: 0,
        written: 0,
      };
      this.#pieces.push(piece);
      if (this.#pieces.length > LOG_SLOTS) this.#pieces.shift();
    }
    piece.lines.push([at, this.#attempt.state.attempt, text]);
    piece.bytes += bytes;
  }

  #arm(): void {
    if (this.#writing || this.#closed || this.#cancelTimer) return;
    this.#cancelTimer = this.#with.world.clock.after(PERIOD_MS, () => {
      this.#cancelTimer = undefined;
      this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    try {
      await this.#find();
      if (!this.#closed) await this.#commit();
    } catch {
      // The store is away: the pieces stay as they are and are written after the next period.
    }
    this.#writing = false;
    if (!this.#pieces.every(isWritten)) this.#arm();
  }

  async #commit(): Promise<void> {
    const changed = this.#pieces.filter((piece) => !isWritten(piece));
    const lengths = changed.map(({ lines }) => lines.length);
    const writes = changed.map((piece) => this.#write(piece));
    const part = { guards: [attemptHolds(this.#attempt)], writes };
    const [result] = await this.#with.store.commit([part]);
    if (result?.applied) {
      for (const [index, piece] of changed.entries()) piece.written = lengths[index] ?? 0;
    } else if (!this.#closed) {
      this.#closed = true;
      this.#with.stale();
    }
  }

  #write({ chunk, first, lines }: Piece): Write {
    const before = this.#before ?? { chunk: 0, line: 0 };
    const record: LogRecord = { chunk: before.chunk + chunk, first: before.line + first, lines };
    return put(logKey(this.#attempt.id, record.chunk), encodeRecord(record));
  }

  /** Finds out where the log of earlier attempts ends. */
  #find(): Promise<void> {
    if (this.#before) return Promise.resolve();
    this.#known ??= this.#read().finally(() => {
      this.#known = undefined;
    });
    return this.#known;
  }

  async #read(): Promise<void> {
    const { store, world, giveUp } = this.#with;
    const read = () => readLogRecords(store, this.#attempt.id);
    const last = (await untilAnswered(read, world, giveUp)).at(-1);
    this.#before = last ? this.#continue(last) : { chunk: 0, line: 0 };
  }

  /** The first piece goes on with the last one of earlier attempts, if it has room for that. */
  #continue({ chunk, first, lines }: LogRecord): { chunk: number; line: number } {
    const line = first + lines.length;
    const piece = this.#pieces[0];
    const bytes = lines.reduce((sum, [, , text]) => sum + bytesOf(text), 0);
    if (piece?.chunk !== 0 || piece.bytes + bytes > LOG_CHUNK_BYTES_MAX) {
      return { chunk: chunk + 1, line };
    }
    piece.lines.unshift(...lines);
    piece.first -= lines.length;
    piece.bytes += bytes;
    return { chunk, line };
  }
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text) + LINE_BYTES;
}

function isWritten({ written, lines }: Piece): boolean {
  return written === lines.length;
}
