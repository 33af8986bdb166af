// The disk that everybody copies: 40 % zeros, 40 % a tar of /usr, 20 % random, shuffled in extents of 4 MiB, without holes.
//
// Holes would be skipped by some without being read, and unshuffled parts would let read-ahead of one kind of content
// hide the cost of another.

import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const EXTENT_BYTES = 4 * 1024 * 1024;
const ZERO_SHARE = 0.4;
const TAR_SHARE = 0.4;

/** mulberry32: small, and the same in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffle<Item>(items: Item[], random: () => number): Item[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other] as Item, items[last] as Item];
  }
  return items;
}

/** The first bytes of a tar of /usr, one extent at a time. */
async function* tarExtents(): AsyncGenerator<Buffer> {
  const tar = spawn('tar', ['--create', '--directory=/', 'usr'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    let pieces: Buffer[] = [];
    let byteCount = 0;
    for await (const piece of tar.stdout as AsyncIterable<Buffer>) {
      pieces.push(piece);
      byteCount += piece.length;
      if (byteCount < EXTENT_BYTES) continue;
      const joined = Buffer.concat(pieces);
      pieces = [joined.subarray(EXTENT_BYTES)];
      byteCount -= EXTENT_BYTES;
      yield joined.subarray(0, EXTENT_BYTES);
    }
  } finally {
    tar.kill('SIGKILL');
  }
}

export async function writeBenchImage(path: string, sizeBytes: number): Promise<void> {
  const extentCount = Math.floor(sizeBytes / EXTENT_BYTES);
  const places = shuffle(
    Array.from({ length: extentCount }, (_, index) => index),
    seededRandom(1),
  );
  const zeroCount = Math.round(extentCount * ZERO_SHARE);
  const tarCount = Math.round(extentCount * TAR_SHARE);
  const file = openSync(path, 'w');
  try {
    const writeExtent = (data: Buffer, index: number): void => {
      writeSync(file, data, 0, EXTENT_BYTES, (places[index] ?? 0) * EXTENT_BYTES);
    };
    const zeros = Buffer.alloc(EXTENT_BYTES);
    for (let index = 0; index < zeroCount; index++) writeExtent(zeros, index);
    let written = zeroCount;
    for await (const extent of tarExtents()) {
      if (written >= zeroCount + tarCount) break;
      writeExtent(extent, written++);
    }
    if (written < zeroCount + tarCount) throw new Error('/usr of this machine is too small for the image');
    for (; written < extentCount; written++) writeExtent(randomFillSync(Buffer.alloc(EXTENT_BYTES)), written);
  } finally {
    closeSync(file);
  }
}
