import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FreezeMarker, freezeListPath, readFreezeList, removeFreezeList, writeFreezeList } from './freeze-list.ts';

let path: string;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-list-'));
  path = freezeListPath(folder);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const MOUNTS = [
  { deviceNumber: 7 * 2 ** 20, path: '/srv/märz' },
  { deviceNumber: 8 * 2 ** 20 + 1, path: '/a path with\na line end' },
  { deviceNumber: 45, path: '/' },
];

test('marks are overwritten in place, whatever the paths before them', () => {
  writeFreezeList(path, MOUNTS);
  const marker = new FreezeMarker(path);
  marker.mark(1, 'f');
  marker.mark(1, 'F');
  marker.mark(2, 'X');
  marker.close();
  expect(readFreezeList(path).map(({ mark }) => mark)).toEqual(['-', 'F', 'X']);
  expect(readFreezeList(path).map(({ deviceNumber }) => deviceNumber)).toEqual(MOUNTS.map((one) => one.deviceNumber));
  expect(readFreezeList(path)[0]?.path).toBe('/srv/märz');
});

test('no list is an empty list', () => {
  expect(readFreezeList(path)).toEqual([]);
  removeFreezeList(path);
});
