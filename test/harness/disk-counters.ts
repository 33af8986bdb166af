// What the kernel itself counts for a block device: a witness that is no part of the product.

import { readFileSync } from 'node:fs';

const SECTOR_BYTES = 512;

export interface DiskCounters {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export function readDiskCounters(device: string): DiskCounters {
  const fields = readFileSync(`/sys/block/${device.split('/').at(-1)}/stat`, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  return { bytesRead: (fields[2] ?? 0) * SECTOR_BYTES, bytesWritten: (fields[6] ?? 0) * SECTOR_BYTES };
}
