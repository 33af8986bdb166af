import { afterEach, expect, test } from '@jest/globals';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toLmsError } from '@lms/errors';
import { allocateAlignedMemory } from './aligned-memory.ts';
import { parseProcessorList } from './affinity.ts';
import { freezeFileSystem, freezeFileSystemAsync, thawFileSystem } from './freeze.ts';
import { punchHole } from './hole.ts';
import { watchModifications } from './modification-watch.ts';
import { readAvailable } from './nonblocking-read.ts';
import { isSystemError } from './system-error.ts';

const cleanup: (() => void)[] = [];

afterEach(() => {
  for (const step of cleanup.splice(0).reverse()) step();
});

function temporaryFile(content: string | Uint8Array): { readonly path: string; readonly fileDescriptor: number } {
  const folder = mkdtempSync(join(tmpdir(), 'lms-linux-'));
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'file');
  writeFileSync(path, content);
  const fileDescriptor = openSync(path, 'r+');
  cleanup.push(() => closeSync(fileDescriptor));
  return { path, fileDescriptor };
}

test('a failed call names the call, the object and the error, synchronously and not', async () => {
  const fileDescriptor = openSync('/proc', 'r');
  cleanup.push(() => closeSync(fileDescriptor));
  expect(() => freezeFileSystem(fileDescriptor, '/proc')).toThrow('FIFREEZE of /proc: EOPNOTSUPP');
  await expect(freezeFileSystemAsync(fileDescriptor, '/proc')).rejects.toThrow('FIFREEZE of /proc: EOPNOTSUPP');
  expect(() => thawFileSystem(-1, 'nothing')).toThrow('FITHAW of nothing: EBADF');
});

test('errors of calls become errors of the one error model', () => {
  let thrown: unknown;
  try {
    watchModifications(['/nonexistent']);
  } catch (error) {
    thrown = error;
  }
  expect(isSystemError(thrown, 'ENOENT')).toBe(true);
  expect(toLmsError(thrown).code).toBe('NOT_FOUND');
});

test('lists of processors are expanded', () => {
  expect(parseProcessorList('0-2,5,7-7\n')).toEqual([0, 1, 2, 5, 7]);
  expect(parseProcessorList('\n')).toEqual([]);
  expect(() => parseProcessorList('0-x')).toThrow('not a list of processors');
});

test('a write that was undone is still noticed, and noticed once', () => {
  const { path, fileDescriptor } = temporaryFile('1');
  const watch = watchModifications([path]);
  cleanup.push(() => watch.close());
  expect(watch.takeModified()).toEqual([]);
  writeSync(fileDescriptor, '0', 0);
  writeSync(fileDescriptor, '1', 0);
  expect(watch.takeModified()).toEqual([path]);
  expect(watch.takeModified()).toEqual([]);
});

test('aligned memory starts on a page and has the asked size', () => {
  const memory = allocateAlignedMemory(100_000);
  expect(memory.byteLength).toBe(100_000);
  expect(memory.byteOffset).toBe(0);
});

test('reading at the end of a file gives 0, an unreadable descriptor an error', () => {
  const { fileDescriptor } = temporaryFile('');
  expect(readAvailable(fileDescriptor, new Uint8Array(16), 'file')).toBe(0);
  expect(() => readAvailable(-1, new Uint8Array(16), 'nothing')).toThrow('reading nothing: EBADF');
});

test('a punched range reads as zeros, takes no space, and leaves the size', () => {
  const { path, fileDescriptor } = temporaryFile(new Uint8Array(1 << 20).fill(0x5a));
  const blocksBefore = fstatSync(fileDescriptor).blocks;
  punchHole(fileDescriptor, 65_536, 131_072, path);
  const content = readFileSync(path);
  expect(content.length).toBe(1 << 20);
  expect(content.subarray(65_536, 196_608).every((byte) => byte === 0)).toBe(true);
  expect(content[65_535]).toBe(0x5a);
  expect(content[196_608]).toBe(0x5a);
  expect(fstatSync(fileDescriptor).blocks).toBe(blocksBefore - 256);
});
