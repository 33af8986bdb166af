import { expect, test } from '@jest/globals';
import { formatBytes, parseBytes } from './quantity.ts';

test.each([
  ['10Gi', 10 * 1024 ** 3],
  ['1.5Gi', 1.5 * 1024 ** 3],
  ['500M', 500e6],
  ['1e9', 1e9],
  ['123', 123],
  ['1500m', 2],
])('%s is %d bytes', (quantity, bytes) => {
  expect(parseBytes(quantity)).toBe(bytes);
});

test.each([undefined, '', 'ten', '10Xi', '-1'])('%s is no size', (quantity) => {
  expect(parseBytes(quantity)).toBeNull();
});

test('a size is rounded up to whole MiB, and read back as that', () => {
  expect(formatBytes(1024 ** 2 + 1)).toBe('2Mi');
  expect(parseBytes(formatBytes(16 * 1024 ** 3))).toBe(16 * 1024 ** 3);
});
