/**
 * The fleet itself: every node is a folder, and what would be hardware is played by files in it.
 *
 *   n1/sda.img       a disk, see disk-image.ts
 *   n1/reset         a request to restart; names who asked
 *   n1/booted        written by the machine when it is up again; names the request
 *   n1/mail/…        its mailbox, one file a message
 *   n1/system.pkg    the software it runs
 *   mirror/…         where new software comes from; it drops every connection after a while
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { damageBlock, writeImage } from "./disk-image.ts";

export const NODES = ["n1", "n2", "n3", "n4"] as const;
export const DAMAGED = { node: "n3", device: "sdb", block: 23 } as const;
export const DISK_BLOCKS = 64;
export const PACKAGE_BYTES = 262_144;

const OLD_DISK_BLOCKS = 32;
const CONNECTION_BYTES = 98_304;
const CHUNK_BYTES = 8_192;
const BOOT_MS = 1_800;
const LOOK_EVERY_MS = 50;

/** Where the fleet's files are: named by the demo in the environment of its processes. */
export function fleetPath(...names: string[]): string {
  const directory = process.env.FLEET_DIR;
  if (!directory) throw new Error("FLEET_DIR must name the folder of the fleet.");
  return join(directory, ...names);
}

/** Builds the fleet: folders, old disks of which one is damaged, a package on the mirror. */
export async function buildFleet(directory: string): Promise<void> {
  await mkdir(join(directory, "mirror"), { recursive: true });
  const bytes = randomBytes(PACKAGE_BYTES);
  await writeFile(join(directory, "mirror", "system.pkg"), bytes);
  await writeFile(join(directory, "mirror", "system.pkg.sha256"), sha256(bytes));
  for (const node of NODES) {
    await mkdir(join(directory, node, "mail"), { recursive: true });
    for await (const _ of writeImage(join(directory, node, "sdb.img"), "old", OLD_DISK_BLOCKS));
  }
  await damageBlock(join(directory, DAMAGED.node, `${DAMAGED.device}.img`), DAMAGED.block);
}

/** Plays the machines until `signal` aborts: whoever finds a request to restart does so. */
export async function runMachines(directory: string, signal: AbortSignal): Promise<void> {
  const machine = async (node: string) => {
    const at = (name: string) => join(directory, node, name);
    while (!signal.aborted) {
      const asked = await readText(at("reset"));
      if (asked !== undefined && asked !== (await readText(at("booted")))) {
        await sleep(BOOT_MS, undefined, { signal });
        await writeWhole(at("booted"), asked);
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  };
  await Promise.all(NODES.map(machine)).catch((error) => {
    if (!signal.aborted) throw error;
  });
}

/**
 * Loads the package from the mirror, from a position on.
 *
 * @throws Error when the mirror drops the connection, which it does after {@link CONNECTION_BYTES}.
 */
export async function* download(from: number, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  const path = fleetPath("mirror", "system.pkg");
  let sent = 0;
  for await (const chunk of createReadStream(path, { start: from, highWaterMark: CHUNK_BYTES })) {
    await sleep(20, undefined, { signal });
    yield chunk;
    sent += chunk.length;
    if (sent >= CONNECTION_BYTES && from + sent < PACKAGE_BYTES) {
      throw new Error(`connection lost after ${sent / 1_024} KiB`);
    }
  }
}

/** The checksum that the mirror names for its package. */
export function publishedChecksum(): Promise<string> {
  return readFile(fleetPath("mirror", "system.pkg.sha256"), "utf8");
}

/** The text of a file, or `undefined` when it is not there. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes a file so that readers see all of it or nothing. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  await writeFile(part, text);
  await rename(part, path);
}

/** The length of a file; 0 when it is not there. */
export async function fileBytes(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.size ?? 0;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
