import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { examine, saidIn } from "../../chaos/crash/chain.ts";
import { tryKills } from "../../chaos/crash/kills.ts";
import { canTrace, traceWriter, tryPowerLoss } from "../../chaos/crash/power-loss.ts";
import { readTrace, type Step } from "../../chaos/crash/trace.ts";

const WRITER = fileURLToPath(new URL("../../chaos/crash/writer.ts", import.meta.url));

async function makePlace() {
  const directory = await mkdtemp(join(tmpdir(), "etask-crash-"));
  return {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/**
 * Runs a writer whose files may have so many blocks of 512 bytes, as if the disk were full then.
 */
function writeWithin(blocks: number, directory: string) {
  // The signal would end the process; without it, writing fails.
  const script = `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" --import tsx "$@"`;
  const args = ["-c", script, process.execPath, WRITER, directory, "w"];
  return spawnSync("sh", args, { encoding: "utf8", timeout: 60_000 });
}

describe("an embedded store whose processes are killed", () => {
  test("holds what they were told is on disk, nothing by halves, and opens at once", async () => {
    await using place = await makePlace();
    const report = await tryKills({ directory: place.directory, seed: 1, times: 26 });
    assert.deepEqual(report.wrong, []);
    assert.ok(report.commits > 100, `${report.commits}`);
  }, 180_000);

  test("is found to have lost something when it has", async () => {
    await using place = await makePlace();
    const directory = join(place.directory, "store");
    spawnSync(process.execPath, ["--import", "tsx", WRITER, directory, "w", "3"]);
    assert.deepEqual(await examine(directory, new Map([["w-0", 3]])), []);
    assert.deepEqual(await examine(directory, new Map([["w-0", 4]])), [
      "w-0 ends at 3, and said 4",
    ]);
    assert.deepEqual(await examine(directory, new Map([["w-1", 1]])), [
      "w-1 ends at 3, and said 1",
    ]);
  });
});

describe("an embedded store whose power fails", () => {
  test("holds what was said to be on disk, whichever of the other pages survive", async () => {
    await using place = await makePlace();
    const { directory } = place;
    if (!(await canTrace())) {
      await assert.rejects(traceWriter(directory, 1), /strace/);
      return;
    }
    const steps = await traceWriter(directory, 15);
    const report = await tryPowerLoss(steps, { directory, seed: 1, imagesMax: 150 });
    assert.deepEqual(report.wrong, []);
    assert.ok(report.images > 75, `${report.images}`);

    const unsynced = steps.flatMap((step): Step[] => {
      if (step.kind === "sync") return [];
      return [step.kind === "write" ? { ...step, synced: false } : step];
    });
    // LMDB itself ends a process that reads torn pages.
    const options = { directory, seed: 1, imagesMax: 30, torn: false };
    const without = await tryPowerLoss(unsynced, options);
    assert.notDeepEqual(without.wrong, [], "a store that does not sync must be found out");
  }, 120_000);

  test("is judged by what a trace says, also where threads interrupt each other", () => {
    const hex = (text: string) => [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16)}`);
    const name = hex("/d/data.mdb").join("");
    const trace = [
      `1 openat(AT_FDCWD, "${name}", O_RDWR|O_CREAT, 0600) = 5`,
      `1 openat(AT_FDCWD, "${name}", O_WRONLY|O_DSYNC) = 6`,
      '2 pwrite64(5, "\\x61\\x62", 2, 4096 <unfinished ...>',
      "3 fdatasync(5 <unfinished ...>",
      "2 <... pwrite64 resumed>) = 2",
      "3 <... fdatasync resumed>) = 0",
      "2 lseek(5, 8192, SEEK_SET) = 8192",
      '2 writev(5, [{iov_base="\\x61", iov_len=1}, {iov_base="\\x62", iov_len=1}], 2) = 2',
      '2 pwrite64(6, "\\x63", 1, 40) = 1',
      `1 write(1, "${hex("a 1\n").join("").replace("\\xa", "\\x0a")}", 4) = 4`,
      "1 clone(child_stack=NULL, flags=SIGCHLD) = 9",
      '9 write(1, "\\x62", 1) = 1',
    ];
    const bytes = Buffer.from("ab");
    assert.deepEqual(readTrace(trace.join("\n"), "data.mdb"), [
      { kind: "write", offset: 4_096, bytes, synced: false },
      { kind: "sync", covers: 0 },
      { kind: "write", offset: 8_192, bytes, synced: false },
      { kind: "write", offset: 40, bytes: Buffer.from("c"), synced: true },
      { kind: "said", line: "a 1" },
    ]);
  });
});

describe("an embedded store whose disk is full", () => {
  test("says so, loses nothing, and goes on when there is room", async () => {
    await using place = await makePlace();
    const directory = join(place.directory, "store");
    const { stdout, stderr, status } = writeWithin(2_000, directory);
    assert.equal(status, 1);
    assert.match(stderr, /StoreFullError: The disk of the embedded store is full/);
    const said = saidIn(stdout.split("\n"));
    assert.equal(said.size, 4);
    assert.deepEqual(await examine(directory, said), []);
    const again = spawnSync(process.execPath, ["--import", "tsx", WRITER, directory, "w", "3"]);
    assert.equal(again.status, 0);
  });

  test("and that is new there is refused instead of ending the process", async () => {
    await using place = await makePlace();
    const directory = join(place.directory, "store");
    const { stdout, stderr, status } = writeWithin(64, directory);
    assert.deepEqual([stdout, status], ["", 1]);
    assert.match(stderr, /StoreRefusedError: .* may not hold files large enough/);
    const again = spawnSync(process.execPath, ["--import", "tsx", WRITER, directory, "w", "3"]);
    assert.equal(again.status, 0);
  });
});
