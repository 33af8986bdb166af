import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { DigestState, DigestTrails } from './digest-trails.ts';

const MEBIBYTE = 1024 * 1024;
const PIECE = Buffer.alloc(16 * MEBIBYTE, 5);

function exportPieces(trails: DigestTrails, key: string, pieces: number): DigestState {
  const state = new DigestState();
  for (let piece = 0; piece < pieces; piece += 1) {
    state.update(PIECE);
    trails.keep(key, state);
  }
  return state;
}

test('a part that begins behind a kept state is hashed from there, and comes to the SHA-256 of the whole', () => {
  const trails = new DigestTrails();
  exportPieces(trails, 'a', 6);
  const state = trails.near('a', 80 * MEBIBYTE);
  expect(state?.positionBytes).toBe(64 * MEBIBYTE);
  for (let piece = 4; piece < 8; piece += 1) state?.update(PIECE);
  const whole = createHash('sha256');
  for (let piece = 0; piece < 8; piece += 1) whole.update(PIECE);
  expect(state?.hex()).toBe(whole.digest('hex'));
  // What was given out is a copy.
  expect(trails.near('a', 80 * MEBIBYTE)?.positionBytes).toBe(64 * MEBIBYTE);
});

test('without a state the beginning is hashed again, unless it is far away', () => {
  const trails = new DigestTrails();
  expect(trails.near('a', 2048 * MEBIBYTE)?.positionBytes).toBe(0);
  expect(trails.near('a', 2048 * MEBIBYTE + 1)).toBeNull();
  exportPieces(trails, 'a', 3);
  expect(trails.near('b', 40 * MEBIBYTE)?.positionBytes).toBe(0);
});

test('states and disks are bounded: the oldest go', () => {
  const trails = new DigestTrails();
  exportPieces(trails, 'first', 2);
  for (let disk = 0; disk < 32; disk += 1) exportPieces(trails, `disk-${disk}`, 2);
  expect(trails.near('first', 40 * MEBIBYTE)?.positionBytes).toBe(0);
  expect(trails.near('disk-31', 40 * MEBIBYTE)?.positionBytes).toBe(32 * MEBIBYTE);
});
