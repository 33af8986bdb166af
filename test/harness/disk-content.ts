// What is on a disk or in an image, compared byte by byte.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { requireCommand } from './command.ts';

const READ_BYTES = 1024 * 1024;

/** Drops the page cache of a disk first: what counts is what the disk holds. */
export async function sha256OfDisk(path: string): Promise<string> {
  if (path.startsWith('/dev/')) await requireCommand('blockdev', ['--flushbufs', path]);
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Offset of the first byte that differs, or null; a different length differs where the shorter one ends. */
export function firstDifference(leftPath: string, rightPath: string): number | null {
  const left = openSync(leftPath, 'r');
  const right = openSync(rightPath, 'r');
  try {
    const leftBuffer = Buffer.alloc(READ_BYTES);
    const rightBuffer = Buffer.alloc(READ_BYTES);
    for (let offset = 0; ; offset += READ_BYTES) {
      const leftBytes = leftBuffer.subarray(0, readSync(left, leftBuffer, 0, READ_BYTES, offset));
      const rightBytes = rightBuffer.subarray(0, readSync(right, rightBuffer, 0, READ_BYTES, offset));
      if (!leftBytes.equals(rightBytes)) {
        const differing = leftBytes.findIndex((byte, index) => byte !== rightBytes[index]);
        return offset + (differing === -1 ? leftBytes.length : differing);
      }
      if (leftBytes.length < READ_BYTES) return null;
    }
  } finally {
    closeSync(left);
    closeSync(right);
  }
}
