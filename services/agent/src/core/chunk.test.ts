import { expect, test } from '@jest/globals';
import { BLOCK_SIZE_BYTES, createCompressionChoice, createDigester, DIGEST_BYTES } from '@lms/block-stream';
import { framesOfChunk } from './chunk.ts';
import { newCounters } from './status.ts';

const digester = createDigester(new Uint8Array(32).fill(7));

function chunkOf(fills: readonly number[], replicaDigests: Uint8Array | null) {
  const data = new Uint8Array(fills.length * BLOCK_SIZE_BYTES);
  for (const [index, fill] of fills.entries())
    data.fill(fill, index * BLOCK_SIZE_BYTES, (index + 1) * BLOCK_SIZE_BYTES);
  return { diskIndex: 1, firstBlock: 100, blockCount: fills.length, data, replicaDigests };
}

test('zero blocks travel as ranges, others with one digest each of what was read (R9)', async () => {
  const chunk = chunkOf([0, 0, 1, 2, 0], null);
  const frames = await framesOfChunk(chunk, digester, createCompressionChoice('off'), newCounters());
  expect(frames.map(({ type, firstBlock, blockCount }) => ({ type, firstBlock, blockCount }))).toEqual([
    { type: 'zero', firstBlock: 100, blockCount: 2 },
    { type: 'write', firstBlock: 102, blockCount: 2 },
    { type: 'zero', firstBlock: 104, blockCount: 1 },
  ]);
  const write = frames[1];
  if (write?.type !== 'write') throw new Error('no write');
  expect(write.digests).toEqual(digester.digestBlocks(chunk.data).subarray(2 * DIGEST_BYTES, 4 * DIGEST_BYTES));
  expect(write.rawLengthBytes).toBe(2 * BLOCK_SIZE_BYTES);
});

test('a suspect chunk sends only the blocks that differ from the replica', async () => {
  const replica = digester.digestBlocks(chunkOf([1, 9, 3, 0], null).data);
  const counters = newCounters();
  const frames = await framesOfChunk(
    chunkOf([1, 2, 3, 0], replica),
    digester,
    createCompressionChoice('off'),
    counters,
  );
  expect(frames.map(({ type, firstBlock, blockCount }) => ({ type, firstBlock, blockCount }))).toEqual([
    { type: 'write', firstBlock: 101, blockCount: 1 },
  ]);
  expect(counters.blocksEqual).toBe(3);
});

test('a block whose digest the replica does not know is sent, also when it is zero', async () => {
  const unknown = new Uint8Array(2 * DIGEST_BYTES);
  const frames = await framesOfChunk(chunkOf([0, 5], unknown), digester, createCompressionChoice('off'), newCounters());
  expect(frames.map(({ type }) => type)).toEqual(['zero', 'write']);
});
