import { expect, test } from '@jest/globals';
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { DiskMap } from './disk-map.ts';

const SECTORS_PER_BLOCK = 128;

function mapOf(blocks: number): DiskMap {
  return new DiskMap(blocks * BLOCK_SIZE_BYTES);
}

test('R1: a block that is written after it was taken is dirty again', () => {
  const map = mapOf(8);
  map.markDirty(2, 1);
  expect(map.takeDirty(0, 16)).toEqual({ firstBlock: 2, blockCount: 1 });
  expect(map.dirty.count).toBe(0);
  map.markSectors(2 * SECTORS_PER_BLOCK + 7, 1);
  expect(map.dirty.has(2)).toBe(true);
});

test('R18: what was taken after a mark was sealed is not acknowledged with it', () => {
  const map = mapOf(8);
  map.markDirty(0, 1);
  map.takeDirty(0, 16);
  map.sealMark(1);
  map.markDirty(5, 1);
  map.takeDirty(0, 16);
  map.acknowledgeMark(1);
  map.restoreUnacknowledged();
  expect(map.dirty.has(0)).toBe(false);
  expect(map.dirty.has(5)).toBe(true);
});

test('R18: a block that was taken twice stays unacknowledged until the second mark', () => {
  const map = mapOf(4);
  map.markDirty(1, 1);
  map.takeDirty(0, 16);
  map.sealMark(1);
  map.markDirty(1, 1);
  map.takeDirty(0, 16);
  map.sealMark(2);
  map.acknowledgeMark(1);
  map.restoreUnacknowledged();
  expect(map.dirty.has(1)).toBe(true);
});

test('the saved form holds dirty and unacknowledged blocks, and every change is a changed page', () => {
  const map = mapOf(64);
  map.markDirty(3, 2);
  map.takeDirty(0, 1);
  map.sealMark(1);
  expect(map.changedPages.count).toBe(1);
  expect(map.unsafePage(0)[0]).toBe(0b0001_1000);
  map.changedPages.clear();
  map.acknowledgeMark(1);
  expect(map.changedPages.count).toBe(1);
  expect(map.unsafePage(0)[0]).toBe(0b0001_0000);
});

test('a range of sectors marks every block that it touches, and no more than the disk has', () => {
  const map = new DiskMap(2 * BLOCK_SIZE_BYTES + 512);
  expect(map.blockCount).toBe(3);
  map.markSectors(SECTORS_PER_BLOCK - 1, 2);
  expect([map.dirty.has(0), map.dirty.has(1), map.dirty.has(2)]).toEqual([true, true, false]);
  map.markSectors(2 * SECTORS_PER_BLOCK, 10_000);
  expect(map.dirty.count).toBe(3);
  map.markSectors(10_000_000, 8);
  expect(map.dirty.count).toBe(3);
});

test('taking a suspect run takes the dirty bit with it, and stays within the digests at hand', () => {
  const map = mapOf(64);
  map.suspectAll();
  map.markDirty(10, 1);
  expect(map.takeSuspect(8, 16, 12)).toEqual({ firstBlock: 8, blockCount: 4 });
  expect(map.dirty.count).toBe(0);
  expect(map.takeSuspect(8, 16, 12)).toBeNull();
  map.restoreUnacknowledged();
  expect(map.dirty.count).toBe(4);
});

test('a block that is written again before it is taken counts once as dirtied, and anew after it was taken', () => {
  const map = new DiskMap(100 * BLOCK_SIZE_BYTES);
  map.markDirty(3, 2);
  map.markDirty(4, 1);
  expect(map.dirtiedBlocks).toBe(2);
  map.takeDirty(0, 16);
  map.markDirty(4, 1);
  expect(map.dirtiedBlocks).toBe(3);
  map.dirtyAll();
  expect(map.dirtiedBlocks).toBe(3);
});
