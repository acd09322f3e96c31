/**
 * Kills writers of an embedded store at random moments, all at once, and looks at what is left:
 * what they were told is on disk must be there, and nothing by halves. The next ones go on from it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Chance, chanceFor } from "../../sim/engine/chance.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createDeferred } from "../../src/base/deferred.ts";
import { examine, saidIn } from "./chain.ts";

const WRITER = fileURLToPath(new URL("./writer.ts", import.meta.url));
const WRITERS = 2;
/** A store is used for so many rounds: its history is read after each. */
const ROUNDS_OF_A_STORE = 25;
const OPEN_MS_MAX = 60_000;
const LIFE_MS_MAX = 250;

/** What was found. */
export interface KillsReport {
  readonly kills: number;
  readonly commits: number;
  /** The time from the opening of a store that was left by killed processes. */
  readonly openedMs: readonly number[];
  readonly wrong: readonly string[];
}

/** Kills at least `times` processes. */
export async function tryKills(options: {
  readonly directory: string;
  readonly seed: number;
  readonly times: number;
  readonly say?: (line: string) => void;
}): Promise<KillsReport> {
  const { directory, seed, times, say = () => {} } = options;
  const chance = chanceFor(seed, "kills");
  const openedMs: number[] = [];
  let commits = 0;
  let kills = 0;
  let said = new Map<string, number>();
  for (let round = 0; kills < times; round += 1) {
    const store = join(directory, `store-${Math.floor(round / ROUNDS_OF_A_STORE)}`);
    if (round % ROUNDS_OF_A_STORE === 0) said = new Map();
    const lines = await killWriters(store, round, chance);
    saidIn(lines, said);
    commits += lines.length - WRITERS;
    kills += WRITERS;
    const since = systemClock.monotonic();
    const wrong = await examine(store, said);
    openedMs.push(systemClock.monotonic() - since);
    // What is wrong stays on the disk, to be looked at.
    if (wrong.length > 0) return { kills, commits, openedMs, wrong: wrong.map(after(round)) };
    if (round % ROUNDS_OF_A_STORE === ROUNDS_OF_A_STORE - 1) {
      await rm(store, { recursive: true });
      say(`${kills} kills, ${commits} commits`);
    }
  }
  return { kills, commits, openedMs, wrong: [] };
}

function after(round: number): (what: string) => string {
  return (what) => `after round ${round}: ${what}`;
}

/** Runs writers until they are killed; returns everything that they said. */
async function killWriters(store: string, round: number, chance: Chance): Promise<string[]> {
  // Half of the writers go on with chains that were begun before.
  const writers = Array.from({ length: WRITERS }, (_, index) =>
    startWriter(store, index === 0 ? "old" : `round${round}`),
  );
  try {
    await Promise.all(writers.map(({ opened }) => opened));
    await systemClock.sleep(chance.between(0, LIFE_MS_MAX));
  } finally {
    for (const { child } of writers) child.kill("SIGKILL");
    await Promise.all(writers.map(({ ended }) => ended));
  }
  return writers.flatMap(({ lines }) => lines);
}

interface Writer {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  readonly opened: Promise<void>;
  readonly ended: Promise<unknown>;
}

function startWriter(store: string, name: string): Writer {
  const command = ["--import", "tsx", WRITER, store, name];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const { promise: opened, resolve, reject } = createDeferred<void>();
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => {
    lines.push(line);
    resolve();
  });
  const timer = setTimeout(() => reject(new Error("A writer does not open.")), OPEN_MS_MAX);
  void opened.finally(() => clearTimeout(timer)).catch(() => {});
  child.once("exit", (code) => reject(new Error(`A writer ended with ${code}.`)));
  return { child, lines, opened, ended: Promise.all([once(child, "exit"), once(reader, "close")]) };
}
