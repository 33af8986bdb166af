import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripProgram } from './elf.ts';

const SECTION_HEADERS_OFFSET = 0x28;

test('a real program runs without its sections, and is not longer than before', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lms-elf-'));
  try {
    const before = readFileSync('/bin/echo');
    expect(before.readBigUInt64LE(SECTION_HEADERS_OFFSET)).not.toBe(0n);
    const after = stripProgram(Buffer.from(before));
    expect(after.readBigUInt64LE(SECTION_HEADERS_OFFSET)).toBe(0n);
    expect(after.length).toBeLessThan(before.length);
    const path = join(folder, 'program');
    writeFileSync(path, after, { mode: 0o755 });
    expect(execFileSync(path, ['it', 'runs'], { encoding: 'utf8' })).toBe('it runs\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('stripped twice is stripped once', () => {
  const once = Buffer.from(stripProgram(readFileSync('/bin/echo')));
  expect(stripProgram(Buffer.from(once)).equals(once)).toBe(true);
});

test('what is no program, or only a part of one, is refused', () => {
  expect(() => stripProgram(Buffer.from('#!/bin/sh\nexit 0\n'))).toThrow('no 64-bit little-endian ELF');
  expect(() => stripProgram(readFileSync('/bin/echo').subarray(0, 4_096))).toThrow('shorter than its headers say');
});
