import { expect, test } from '@jest/globals';
import { changesNothing, classifyOperation, mayHideRanges, type Operation } from './operation.ts';

function classify(letters: string): Operation {
  const bytes = new TextEncoder().encode(`${letters}\0\0`);
  return classifyOperation(bytes, 0, bytes.length);
}

test.each([
  ['R', 'read'],
  ['RA', 'read'],
  ['RSM', 'read'],
  ['F', 'flush'],
  ['FF', 'flush'],
  ['FS', 'flush'],
  ['W', 'write'],
  ['WS', 'write'],
  ['WFS', 'write'],
  ['FW', 'flushWrite'],
  ['FWFS', 'flushWrite'],
  ['D', 'discard'],
  ['DE', 'discard'],
  ['FD', 'discard'],
  ['N', 'other'],
  ['WZ', 'other'],
  ['ZA', 'other'],
  ['RZ', 'other'],
  ['X', 'other'],
  ['', 'other'],
] as const)('the letters "%s" are a %s', (letters, operation) => {
  expect(classify(letters)).toBe(operation);
});

test('R2: only a pure read, a pure flush and an empty pre-flush write change nothing', () => {
  expect(changesNothing('read', 8)).toBe(true);
  expect(changesNothing('flush', 0)).toBe(true);
  expect(changesNothing('flushWrite', 0)).toBe(true);
  expect(changesNothing('flushWrite', 8)).toBe(false);
  expect(changesNothing('write', 0)).toBe(false);
  expect(changesNothing('discard', 8)).toBe(false);
  expect(changesNothing('other', 0)).toBe(false);
});

test('R3: write-zeroes and unknown operations may hide ranges as discards do', () => {
  expect(mayHideRanges('discard')).toBe(true);
  expect(mayHideRanges('other')).toBe(true);
  expect(mayHideRanges('write')).toBe(false);
});
