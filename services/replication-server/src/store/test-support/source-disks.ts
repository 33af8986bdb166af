/** What the tests of the store replicate: small disks with content that tells its own block and version. */
import { BLOCK_SIZE_BYTES, createDigester } from '@lms/block-stream';
import type { StagingDisk, StagingStore } from '../staging-store.ts';

/** mulberry32: small, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface SourceDisk {
  readonly diskId: string;
  readonly device: string;
  readonly sizeBytes: number;
}

export const SHORT_DISK: SourceDisk = {
  diskId: 'serial-a',
  device: '/dev/sda',
  sizeBytes: 5 * BLOCK_SIZE_BYTES + 1536,
};
export const EVEN_DISK: SourceDisk = { diskId: 'serial-b', device: '/dev/sdb', sizeBytes: 4 * BLOCK_SIZE_BYTES };

export function blocksOf({ sizeBytes }: { readonly sizeBytes: number }): number {
  return Math.ceil(sizeBytes / BLOCK_SIZE_BYTES);
}

/** Made once: a history compares the same blocks again and again. */
const contents = new Map<string, Uint8Array>();
const MAXIMUM_CONTENTS = 512;

/** Content of version `version` of a block; version 0 is zeros. Differs in every sector. */
export function blockContent(disk: { readonly sizeBytes: number }, block: number, version: number): Uint8Array {
  const length = Math.min(BLOCK_SIZE_BYTES, disk.sizeBytes - block * BLOCK_SIZE_BYTES);
  const key = `${length}/${block}/${version}`;
  const known = contents.get(key);
  if (known !== undefined) return known;
  const content = new Uint8Array(length);
  if (contents.size >= MAXIMUM_CONTENTS) contents.clear();
  contents.set(key, content);
  if (version === 0) return content;
  const words = new Uint32Array(content.buffer, 0, length >>> 2);
  for (let index = 0; index < words.length; index += 32)
    words.fill(version * 65_537 + block * 257 + index, index, index + 32);
  return content;
}

export async function writeBlocks(
  store: StagingStore,
  disk: StagingDisk,
  firstBlock: number,
  versions: readonly number[],
): Promise<void> {
  const data = Buffer.concat(versions.map((version, index) => blockContent(disk, firstBlock + index, version)));
  const digests = createDigester(store.digestKey).digestBlocks(data);
  await store.write(disk.diskIndex, firstBlock, versions.length, data, digests);
}

/** The whole disk of a point. */
export async function readPoint(store: StagingStore, sequence: number, diskIndex: number): Promise<Buffer> {
  const reader = await store.openPoint(sequence);
  try {
    const content = Buffer.alloc(reader.point.disks[diskIndex]?.sizeBytes ?? 0);
    await reader.read(diskIndex, 0, content);
    return content;
  } finally {
    await reader.close();
  }
}

export function diskContent(disk: { readonly sizeBytes: number }, versions: readonly number[]): Buffer {
  return Buffer.concat(versions.map((version, block) => blockContent(disk, block, version)));
}
