import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFencingFiles } from './fencing-file.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-fencing-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a generation is never given twice: not to two at once, nor after a restart (R11)', async () => {
  const first = await openFencingFiles(folder);
  const numbers = await Promise.all([first.next('m-1'), first.next('m-1')]);
  expect(new Set(numbers).size).toBe(2);
  const second = await openFencingFiles(folder);
  expect(await second.next('m-1')).toBeGreaterThan(Math.max(...numbers));
  expect(await second.next('m-2')).toBe(1);
});

test('a file that was damaged is an error, never generation 1 again', async () => {
  writeFileSync(join(folder, 'm-1'), 'x');
  await expect((await openFencingFiles(folder)).next('m-1')).rejects.toMatchObject({ code: 'DATA_LOSS' });
});

test('a machine id that could be a path is refused', async () => {
  const generations = await openFencingFiles(folder);
  await expect(generations.next('../m')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(readdirSync(folder)).toEqual([]);
});
