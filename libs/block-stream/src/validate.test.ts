import { expect, test } from '@jest/globals';
import { BLOCK_SIZE_BYTES, type WriteFrame } from './frames.ts';
import { checkRange, checkWrite } from './validate.ts';

/** Ten blocks, of which the last is short. */
const DISKS = new Map([[0, { sizeBytes: 10 * BLOCK_SIZE_BYTES - 512 }]]);

function write(firstBlock: number, blockCount: number, rawLengthBytes: number): WriteFrame {
  const data = new Uint8Array(0);
  return {
    ...{ type: 'write', diskIndex: 0, codec: 'raw', digests: data, payload: data },
    ...{ firstBlock, blockCount, rawLengthBytes },
  };
}

test('R8: a range within the disk is accepted up to its last, short block', () => {
  expect(checkRange({ type: 'zero', diskIndex: 0, firstBlock: 0, blockCount: 10 }, DISKS)).toBe(DISKS.get(0));
  expect(checkWrite(write(9, 1, BLOCK_SIZE_BYTES - 512), DISKS)).toBe(DISKS.get(0));
  expect(checkWrite(write(8, 2, 2 * BLOCK_SIZE_BYTES - 512), DISKS)).toBe(DISKS.get(0));
});

test.each([
  ['begins behind the disk', { firstBlock: 10, blockCount: 1 }, 'firstBlock: 10, the disk has 10 blocks'],
  ['begins far behind the disk', { firstBlock: 0xffff_ffff, blockCount: 1 }, 'firstBlock: 4294967295'],
  ['ends behind the disk', { firstBlock: 9, blockCount: 2 }, 'blockCount: 2 blocks from block 9 on'],
  ['would overflow 32 bits', { firstBlock: 1, blockCount: 0xffff_ffff }, 'blockCount'],
  ['is empty', { firstBlock: 0, blockCount: 0 }, 'blockCount'],
])('R8: a range that %s is refused, and the field is named', (_what, range, message) => {
  for (const type of ['zero', 'digestRequest'] as const) {
    expect(() => checkRange({ type, diskIndex: 0, ...range }, DISKS)).toThrow(message);
  }
  expect(() => checkWrite(write(range.firstBlock, range.blockCount, BLOCK_SIZE_BYTES), DISKS)).toThrow(message);
});

test('R8: a disk that the session has not is refused', () => {
  expect(() => checkRange({ type: 'zero', diskIndex: 1, firstBlock: 0, blockCount: 1 }, DISKS)).toThrow('diskIndex');
});

test.each([0, BLOCK_SIZE_BYTES - 1, BLOCK_SIZE_BYTES + 1, 2 ** 32 - 1])(
  'R8: a write that announces %i raw bytes for one whole block is refused',
  (rawLengthBytes) => {
    expect(() => checkWrite(write(0, 1, rawLengthBytes), DISKS)).toThrow('rawLengthBytes');
  },
);
