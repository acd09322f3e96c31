/**
 * What can be asked of the fleet. A handler may be cut off at any point and run again elsewhere, so
 * each of these does no harm when it runs twice; how is said at each.
 */
import { createHash } from "node:crypto";
import { appendFile, readdir, readFile, rename, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { defineTask } from "etask";
import { z } from "zod";
import { readImage, writeImage } from "./disk-image.ts";
import {
  download,
  fileBytes,
  fleetPath,
  PACKAGE_BYTES,
  publishedChecksum,
  readText,
  sha256,
  writeWhole,
} from "./machines.ts";

/** What a handler says about where it is. */
const progress = z.object({ step: z.string() });
const node = z.string();
const disk = z.object({ node, device: z.string() });

const WRITE_BLOCK_MS = 45;
const CHECK_BLOCK_MS = 6;
const SCRUB_BLOCK_MS = 45;
const LOOK_EVERY_MS = 50;
const DELIVERY_MS = 40;
const WIPE_BLOCKS = 1_000;

/**
 * Writes a file system to a disk and reads it back.
 *
 * Each attempt writes a file of its own, named after its fence, which takes the disk's place when
 * it is whole: an attempt that was cut off leaves the disk as it was. Fences grow from attempt to
 * attempt, so it is known whose remains may be cleared away.
 */
export const formatDisk = defineTask({
  name: "disk.format",
  input: disk.extend({ blocks: z.int().min(2) }),
  progress,
  async run({ node, device, blocks }, ctx) {
    const path = fleetPath(node, `${device}.img`);
    const part = `${path}.${ctx.fence}`;
    await clearOlderAttempts(node, device, ctx.fence);
    try {
      for await (const { block } of writeImage(part, `${node}/${device}`, blocks)) {
        ctx.progress((80 * block) / blocks, { step: `block ${block} of ${blocks}` });
        await sleep(WRITE_BLOCK_MS, undefined, { signal: ctx.signal });
      }
      const checksum = await readThrough(part, CHECK_BLOCK_MS, ctx.signal, (share) => {
        ctx.progress(80 + 20 * share, { step: "reading back" });
      });
      await rename(part, path);
      return { blocks, checksum };
    } finally {
      await rm(part, { force: true });
    }
  },
});

/** Reads all of a disk. It changes nothing; a damaged disk does not heal, so there is no retry. */
export const scrubDisk = defineTask({
  name: "disk.scrub",
  input: disk,
  progress,
  async run({ node, device }, ctx) {
    const path = fleetPath(node, `${device}.img`);
    const checksum = await readThrough(path, SCRUB_BLOCK_MS, ctx.signal, (share) => {
      ctx.progress(100 * share, { step: "reading" });
    });
    return { checksum };
  },
});

/**
 * Restarts a node and waits until it is up.
 *
 * The request carries the task's id: a second attempt finds it and goes on waiting, so that the
 * node restarts once.
 */
export const rebootNode = defineTask({
  name: "node.reboot",
  input: z.object({ node }),
  progress,
  async run({ node }, ctx) {
    const started = performance.now();
    if ((await readText(fleetPath(node, "reset"))) !== ctx.id) {
      await writeWhole(fleetPath(node, "reset"), ctx.id);
    }
    for (let percent = 5; (await readText(fleetPath(node, "booted"))) !== ctx.id; percent += 2) {
      ctx.progress(Math.min(95, percent), { step: "waiting for it to boot" });
      await sleep(LOOK_EVERY_MS, undefined, { signal: ctx.signal });
    }
    return { seconds: (performance.now() - started) / 1_000 };
  },
});

/**
 * Loads new software from a mirror that drops connections, and installs it.
 *
 * What was loaded stays, so the next attempt goes on where the last one was cut off; the checksum
 * decides whether it is what was published.
 */
export const upgradeNode = defineTask({
  name: "node.upgrade",
  input: z.object({ node }),
  progress,
  retry: { attempts: 10, backoff: "exponential", delay: "600ms", max: "3s" },
  async run({ node }, ctx) {
    const path = fleetPath(node, "system.pkg");
    const part = `${path}.part`;
    let loaded = await fileBytes(part);
    for await (const chunk of download(loaded, ctx.signal)) {
      await appendFile(part, chunk);
      loaded += chunk.length;
      const step = `${loaded / 1_024} of ${PACKAGE_BYTES / 1_024} KiB`;
      ctx.progress((100 * loaded) / PACKAGE_BYTES, { step });
    }
    const checksum = sha256(await readFile(part));
    if (checksum !== (await publishedChecksum())) {
      await rm(part);
      throw new Error("the package is not what was published; it is loaded again");
    }
    await rename(part, path);
    return { checksum };
  },
});

/** Puts a message into a mailbox: a file named after the task, so that twice is once. */
export const sendMessage = defineTask({
  name: "message.send",
  input: z.object({ node, text: z.string() }),
  async run({ node, text }, ctx) {
    const name = ctx.id.replaceAll("/", ".");
    await sleep(DELIVERY_MS, undefined, { signal: ctx.signal });
    await writeWhole(fleetPath(node, "mail", `${name}.txt`), `${text}\n`);
  },
});

/**
 * Overwrites a disk that will not be used again. It takes long, and somebody may think better of
 * it: what is told to stop stops between two blocks, and says so by throwing.
 */
export const wipeDisk = defineTask({
  name: "disk.wipe",
  input: disk,
  progress,
  timeout: "2m",
  async run({ node, device }, ctx) {
    const path = fleetPath(node, `${device}.wiped`);
    for (let block = 1; block <= WIPE_BLOCKS; block += 1) {
      await writeWhole(path, `${block} of ${WIPE_BLOCKS} blocks`);
      ctx.progress((100 * block) / WIPE_BLOCKS, { step: `block ${block} of ${WIPE_BLOCKS}` });
      await sleep(WRITE_BLOCK_MS, undefined, { signal: ctx.signal });
    }
  },
});

/** Sees whether a node is there: for one time later, or again and again. */
export const checkNodes = defineTask({
  name: "node.check",
  input: z.object({ nodes: z.array(node) }),
  retention: "10m",
  async run({ nodes }) {
    const found = await Promise.all(nodes.map((each) => readdir(fleetPath(each))));
    return { up: found.length };
  },
});

/** Everything that a worker of the fleet can do. */
export const fleetTasks = [
  formatDisk,
  scrubDisk,
  wipeDisk,
  rebootNode,
  upgradeNode,
  sendMessage,
  checkNodes,
];

async function clearOlderAttempts(node: string, device: string, fence: number): Promise<void> {
  const begin = `${device}.img.`;
  for (const name of await readdir(fleetPath(node))) {
    const older = name.startsWith(begin) && Number(name.slice(begin.length)) < fence;
    if (older) await rm(fleetPath(node, name), { force: true });
  }
}

/** Reads a disk at the pace of a slow one; returns its checksum. */
async function readThrough(
  path: string,
  blockMs: number,
  signal: AbortSignal,
  report: (share: number) => void,
): Promise<string> {
  const hash = createHash("sha256");
  for await (const { block, blocks, bytes } of readImage(path)) {
    hash.update(bytes);
    report(block / blocks);
    await sleep(blockMs, undefined, { signal });
  }
  return hash.digest("hex");
}
