import { randomFillSync } from 'node:crypto';

const PERIOD_BYTES = 4096;

/** Random bytes and zeros side by side in every 4 KiB: zstd leaves about this share. */
export function fillWithRatio(target: Uint8Array, ratio: number): void {
  target.fill(0);
  const random = Math.round(PERIOD_BYTES * ratio);
  for (let at = 0; at < target.byteLength; at += PERIOD_BYTES) {
    randomFillSync(target, at, Math.min(random, target.byteLength - at));
  }
}
