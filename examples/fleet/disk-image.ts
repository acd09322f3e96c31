/**
 * What formatting a disk does here: a file of blocks, made to be checked. Block 0 is a header;
 * every block begins with its number and the CRC-32 of the rest of it.
 */
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";

export const BLOCK_BYTES = 65_536;

const MAGIC = "FLEETFS1";
const HEAD_BYTES = 8;
const MAGIC_AT = HEAD_BYTES;
const COUNT_AT = MAGIC_AT + MAGIC.length;
const LABEL_AT = COUNT_AT + 4;
const LABEL_BYTES = 64;

/** The block that was written or read just now, from 1, and out of how many. */
export interface BlockStep {
  readonly block: number;
  readonly blocks: number;
  readonly bytes: Buffer;
}

/** Writes an image block by block; each is on the disk when it is reported. */
export async function* writeImage(
  path: string,
  label: string,
  blocks: number,
): AsyncGenerator<BlockStep, void> {
  const file = await open(path, "w");
  try {
    for (let block = 0; block < blocks; block += 1) {
      const bytes = block === 0 ? headerBlock(label, blocks) : dataBlock(block);
      await file.write(bytes);
      await file.datasync();
      yield { block: block + 1, blocks, bytes };
    }
  } finally {
    await file.close();
  }
}

/**
 * Reads an image block by block.
 *
 * @throws Error naming the first block that is damaged.
 */
export async function* readImage(path: string): AsyncGenerator<BlockStep, void> {
  const file = await open(path, "r");
  try {
    const blocks = await blockCount(file);
    for (let block = 0; block < blocks; block += 1) {
      const bytes = await readBlock(file, block);
      const [expected, found] = [bytes.readUInt32BE(4), crc32(bytes.subarray(HEAD_BYTES))];
      if (bytes.readUInt32BE(0) !== block || expected !== found) {
        throw new Error(`damaged block ${block}, CRC ${hex(found)} not ${hex(expected)}`);
      }
      yield { block: block + 1, blocks, bytes };
    }
  } finally {
    await file.close();
  }
}

/** Flips one bit in the middle of a block, as worn-out hardware does. */
export async function damageBlock(path: string, block: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const at = block * BLOCK_BYTES + BLOCK_BYTES / 2;
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte.writeUInt8(byte.readUInt8() ^ 0x10);
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

function headerBlock(label: string, blocks: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(MAGIC, MAGIC_AT, "latin1");
  block.writeUInt32BE(blocks, COUNT_AT);
  block.write(label, LABEL_AT, LABEL_BYTES, "utf8");
  return sealed(block, 0);
}

function dataBlock(number: number): Buffer {
  return sealed(Buffer.alloc(BLOCK_BYTES, number % 256), number);
}

function sealed(block: Buffer, number: number): Buffer {
  block.writeUInt32BE(number, 0);
  block.writeUInt32BE(crc32(block.subarray(HEAD_BYTES)), 4);
  return block;
}

async function blockCount(file: FileHandle): Promise<number> {
  const header = await readBlock(file, 0);
  if (header.toString("latin1", MAGIC_AT, COUNT_AT) !== MAGIC) {
    throw new Error("the disk is not formatted: block 0 is no header");
  }
  return header.readUInt32BE(COUNT_AT);
}

async function readBlock(file: FileHandle, number: number): Promise<Buffer> {
  const block = Buffer.alloc(BLOCK_BYTES);
  const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, number * BLOCK_BYTES);
  if (bytesRead !== BLOCK_BYTES) throw new Error(`block ${number} is missing`);
  return block;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
