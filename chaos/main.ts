/**
 * `npm run chaos [-- --duration 60s --seed S --members 3|1|embedded --keep --clean]`: lets real
 * processes work on a real store while things go wrong, and judges what came of it.
 *
 * `npm run chaos -- crash [--times 500 --seed S]`: kills writers of an embedded store so often,
 * lets the power fail at every moment of another one, and looks at what is left.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { durationMs } from "../src/base/duration.ts";
import { tryKills } from "./crash/kills.ts";
import { traceWriter, tryPowerLoss } from "./crash/power-loss.ts";
import { embeddedPlace } from "./places/embedded-place.ts";
import { etcdPlace } from "./places/etcd-place.ts";
import type { Place } from "./places/place.ts";
import { discard, runChaos } from "./run.ts";
import { verdictText } from "./verdict.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: "string", default: "500" },
    duration: { type: "string", default: "60s" },
    seed: { type: "string", default: String(1 + (systemClock.now() % 1_000_000)) },
    members: { type: "string", default: "3" },
    etcd: { type: "string", default: "3.5" },
    cast: { type: "string", default: "large" },
    clean: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});

/** Commits of each chain of the writer whose power fails. */
const POWER_COMMITS = 40;

async function open(directory: string): Promise<Place> {
  const line = values.etcd === "3.4" ? "3.4" : "3.5";
  switch (values.members) {
    case "embedded":
      return embeddedPlace(directory);
    case "1":
      return etcdPlace(1, line);
    case "3":
      return etcdPlace(3, line);
    default:
      throw new Error(`--members must be 3, 1 or embedded; got ${values.members}.`);
  }
}

async function chaos(seed: number, directory: string): Promise<boolean> {
  const say = (line: string) => {
    if (!values.quiet) console.log(line);
  };
  const place = await open(directory);
  console.log(`chaos on ${place.title}, seed ${seed}, ${values.duration}`);
  try {
    const report = await runChaos(place, {
      ...{ seed, say, clean: values.clean, directory },
      cast: values.cast === "small" ? "small" : "large",
      stormMs: durationMs("duration", values.duration, 1_000, 86_400_000),
    });
    console.log(verdictText(report, { place: place.title, seed }));
    return report.verdict.findings.length === 0;
  } finally {
    await place[Symbol.asyncDispose]();
  }
}

async function crash(seed: number, directory: string): Promise<boolean> {
  console.log(`crashes of an embedded store, seed ${seed}`);
  const times = Number(values.times);
  const kills = await tryKills({ directory, seed, times, say: console.log });
  const slowest = Math.round(Math.max(...kills.openedMs));
  console.log(`${kills.kills} kills, ${kills.commits} commits, read again within ${slowest} ms`);
  const power = join(directory, "power");
  const steps = await traceWriter(power, POWER_COMMITS);
  const images = { directory: power, seed, imagesMax: Number(values.times) };
  const loss = await tryPowerLoss(steps, images);
  console.log(
    `power lost in ${loss.images} ways at ${loss.moments} moments; ${loss.unborn} of them while ` +
      "the store was made, which left a file that is refused",
  );
  const wrong = [...kills.wrong, ...loss.wrong];
  for (const what of wrong) console.log(`  ${what}`);
  console.log(wrong.length === 0 ? "Nothing is broken." : `${wrong.length} findings`);
  return wrong.length === 0;
}

const seed = Number(values.seed);
const directory = await mkdtemp(join(tmpdir(), `etask-chaos-${seed}-`));
const [what] = positionals;
const sound = what === "crash" ? await crash(seed, directory) : await chaos(seed, directory);
if (!sound || values.keep) console.log(`Everything about it is in ${directory}`);
else await discard(directory);
process.exit(sound ? 0 : 1);
