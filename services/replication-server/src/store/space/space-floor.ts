/**
 * Keeps a floor of free space on the file system (replication.md § 3), so that nothing else on it meets ENOSPC.
 *
 * Asking the kernel before every write would cost a call each; so one answer serves until half of what it left was
 * written, at most 64 MiB. Others can fill the disk by that much in the meantime: the floor is there to absorb it.
 */
import { LmsError } from '@lms/errors';
import type { StoreFileSystem } from '../store-file-system.ts';

const MINIMUM_FLOOR_BYTES = 512 * 1024 * 1024;
const FLOOR_SHARE = 0.02;
const MAXIMUM_ALLOWANCE_BYTES = 64 * 1024 * 1024;

export class SpaceFloor {
  #files: StoreFileSystem;
  #floorBytes: number | null;
  #allowanceBytes = 0;

  /** `floorBytes`: null for the default, the larger of 2 % of the file system and 512 MiB. */
  constructor(files: StoreFileSystem, floorBytes: number | null) {
    this.#files = files;
    this.#floorBytes = floorBytes;
  }

  /** STAGING_FULL when writing so many bytes would go below the floor. */
  async require(bytes: number): Promise<void> {
    if (bytes <= this.#allowanceBytes) {
      this.#allowanceBytes -= bytes;
      return;
    }
    this.#allowanceBytes = 0;
    const { totalBytes, freeBytes } = await this.#files.space();
    const floor = this.#floorBytes ?? Math.max(MINIMUM_FLOOR_BYTES, Math.floor(totalBytes * FLOOR_SHARE));
    const left = freeBytes - floor - bytes;
    if (left < 0) throw stagingFull(freeBytes, floor);
    this.#allowanceBytes = Math.min(MAXIMUM_ALLOWANCE_BYTES, Math.floor(left / 2));
  }

  /** After ENOSPC: ask again, whatever the last answer left. */
  doubt(): void {
    this.#allowanceBytes = 0;
  }
}

const MEBIBYTE = 1024 * 1024;

function stagingFull(freeBytes: number, floorBytes: number): LmsError {
  const free = Math.floor(freeBytes / MEBIBYTE);
  const floor = Math.ceil(floorBytes / MEBIBYTE);
  return new LmsError('STAGING_FULL', `The staging disk has ${free} MiB free, and ${floor} MiB must stay free`, {
    action: 'Free space there, grow it, or keep fewer points in time; replication goes on by itself',
  });
}
