/**
 * What an embedded store is after the power failed at any moment.
 *
 * What a program wrote and synced is traced. Then, for every moment, files are made as the disk may
 * have them: everything that was synced, and of the pages that were not, none, all, or any of them.
 * Each must open, hold what had been said to be on disk, and hold nothing by halves.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Chance, chanceFor } from "../../sim/engine/chance.ts";
import { isEtaskError } from "../../src/base/errors.ts";
import { examine, saidIn } from "./chain.ts";
import { CALLS, readTrace, type Step } from "./trace.ts";

const run = promisify(execFile);
const DATA_FILE = "etask.mdb";
const PAGE_BYTES = 4_096;
const TRACE_MS_MAX = 120_000;
const TRACE_BYTES_MAX = 4_194_304;
/** Random choices among the pages that were not synced, for each moment. */
const CHOICES = 2;
const WRITER = fileURLToPath(new URL("./writer.ts", import.meta.url));

/** What was found. */
export interface PowerLossReport {
  readonly moments: number;
  readonly images: number;
  /** Images from before the store was made, which hold nothing and are refused as damaged. */
  readonly unborn: number;
  readonly wrong: readonly string[];
}

/** Whether this machine can trace programs. */
export async function canTrace(): Promise<boolean> {
  return run("strace", ["-f", "-o", "/dev/null", "true"]).then(
    () => true,
    () => false,
  );
}

/**
 * Traces a program that commits so often in each of its chains.
 *
 * @throws when `strace` is not there or not allowed.
 */
export async function traceWriter(directory: string, commits: number): Promise<Step[]> {
  if (!(await canTrace())) throw new Error("Power loss needs strace, and leave to trace.");
  await mkdir(directory, { recursive: true });
  const trace = join(directory, "trace");
  const command = [process.execPath, "--import", "tsx", WRITER, join(directory, "live"), "w"];
  const flags = ["-f", "-xx", "-s", String(TRACE_BYTES_MAX), "-e", `trace=${CALLS}`, "-o", trace];
  await run("strace", [...flags, ...command, String(commits)], { timeout: TRACE_MS_MAX });
  return readTrace(await readFile(trace, "latin1"), DATA_FILE);
}

/** Lets the power fail; tries at most about `imagesMax` files, spread over all moments. */
export async function tryPowerLoss(
  steps: readonly Step[],
  options: {
    readonly directory: string;
    readonly seed: number;
    readonly imagesMax: number;
    /** Also any of the pages that were not synced, not only none or all. Default true. */
    readonly torn?: boolean;
  },
): Promise<PowerLossReport> {
  const { directory, seed, imagesMax, torn = true } = options;
  const chance = chanceFor(seed, "power loss");
  const moments = momentsOf(steps);
  const all = moments.flatMap((moment) =>
    choicesOf(moment, chance, torn ? CHOICES : 0).map((choice) => ({ moment, choice })),
  );
  const share = Math.min(1, imagesMax / all.length);
  const images = all.filter(() => chance.happens(share));
  const wrong: string[] = [];
  let unborn = 0;
  for (const { moment, choice } of images) {
    const said = saidIn(moment.said);
    const found = await examineImage(join(directory, "image"), imageOf(moment, choice), said);
    if (found.includes(UNBORN)) unborn += 1;
    else wrong.push(...found.map((what) => `after step ${moment.step}, ${choice.name}: ${what}`));
  }
  return { moments: moments.length, images: images.length, unborn, wrong };
}

const UNBORN = "It is damaged, and nothing was ever said to be in it.";

async function examineImage(
  directory: string,
  image: Buffer,
  said: Map<string, number>,
): Promise<string[]> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, DATA_FILE), image);
  try {
    return await examine(directory, said);
  } catch (error) {
    return [said.size === 0 && isEtaskError(error) ? UNBORN : `it does not open: ${error}`];
  }
}

/** A page, or less, that was written. */
interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** A moment at which the power may fail. */
interface Moment {
  readonly step: number;
  /** What is on disk for sure, in order. */
  readonly durable: readonly Piece[];
  /** What may be. */
  readonly pending: readonly Piece[];
  readonly said: readonly string[];
}

interface Choice {
  readonly name: string;
  readonly survives: readonly boolean[];
}

/** Every moment before a step has ended, so that its own write may be there or not. */
function momentsOf(steps: readonly Step[]): Moment[] {
  const moments: Moment[] = [];
  let writes: { readonly at: number; readonly pieces: readonly Piece[] }[] = [];
  const durable: Piece[] = [];
  const said: string[] = [];
  for (const [index, step] of steps.entries()) {
    if (step.kind === "said") {
      said.push(step.line);
      continue;
    }
    const begun = step.kind === "write" ? piecesOf(step.offset, step.bytes) : [];
    const pending = [...writes.flatMap(({ pieces }) => pieces), ...begun];
    moments.push({ step: index, durable: [...durable], pending, said: [...said] });
    if (step.kind === "sync") {
      for (const { at, pieces } of writes) if (at < step.covers) durable.push(...pieces);
      writes = writes.filter(({ at }) => at >= step.covers);
    } else if (step.synced) durable.push(...begun);
    else writes.push({ at: index, pieces: begun });
  }
  return moments;
}

function piecesOf(offset: number, bytes: Buffer): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from < bytes.length; ) {
    const room = PAGE_BYTES - ((offset + from) % PAGE_BYTES);
    const piece = bytes.subarray(from, from + room);
    pieces.push({ offset: offset + from, bytes: piece });
    from += piece.length;
  }
  return pieces;
}

function choicesOf({ pending }: Moment, chance: Chance, choices: number): Choice[] {
  const none = { name: "nothing unsynced", survives: pending.map(() => false) };
  if (pending.length === 0) return [none];
  const all = { name: "everything", survives: pending.map(() => true) };
  const some = Array.from({ length: pending.length > 1 ? choices : 0 }, (_, index) => ({
    name: `choice ${index}`,
    survives: pending.map(() => chance.happens(0.5)),
  }));
  return [none, all, ...some];
}

function imageOf({ durable, pending }: Moment, { survives }: Choice): Buffer {
  const pieces = [...durable, ...pending.filter((_, index) => survives[index])];
  const size = Math.max(0, ...pieces.map(({ offset, bytes }) => offset + bytes.length));
  const image = Buffer.alloc(size);
  for (const { offset, bytes } of pieces) bytes.copy(image, offset);
  return image;
}
