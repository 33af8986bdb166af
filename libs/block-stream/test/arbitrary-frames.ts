/** Arbitrary valid frames, for properties that must hold for all of them. */
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { BLOCK_SIZE_BYTES, DIGEST_BYTES } from '../src/frames.ts';
import type { CheckpointFrame, Frame, HelloAnswerFrame, HelloFrame, WriteFrame } from '../src/frames.ts';

const TOKEN_CHARACTERS = 'ABCXYZabcxyz0189._:-'.split('');
const token = (minLength = 1): Arbitrary<string> =>
  fc.array(fc.constantFrom(...TOKEN_CHARACTERS), { minLength, maxLength: 20 }).map((characters) => characters.join(''));
const sentence = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !/\p{Cc}/u.test(text));
const natural = fc.maxSafeNat();
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const diskIndex = fc.integer({ min: 0, max: 127 });
const bytes = (length: number): Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

const capabilities = fc.uniqueArray(token(), { maxLength: 4 });

const hello: Arbitrary<HelloFrame> = fc.record({
  type: fc.constant('hello' as const),
  protocolMinimum: fc.integer({ min: 1, max: 3 }),
  protocolMaximum: fc.integer({ min: 3, max: 65_535 }),
  agentVersion: token(),
  capabilities,
  bootId: token(),
  wholeDiskNumbers: fc.uniqueArray(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 5 }),
  mapEpoch: token(),
  acknowledgedMark: natural,
  disks: fc.uniqueArray(
    fc.record({
      diskId: token(),
      device: sentence.filter((text) => text !== ''),
      sizeBytes: fc.integer({ min: 1, max: 2 ** 48 }),
    }),
    { minLength: 1, maxLength: 4, selector: (disk) => disk.diskId },
  ),
});

const helloAnswer: Arbitrary<HelloAnswerFrame> = fc.record({
  type: fc.constant('helloAnswer' as const),
  protocol: fc.integer({ min: 1, max: 65_535 }),
  capabilities,
  fencingGeneration: positive,
  digestKey: bytes(32),
  disks: fc
    .uniqueArray(fc.record({ diskId: token(), empty: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
      selector: (disk) => disk.diskId,
    })
    .map((disks) => disks.map((disk, index) => ({ ...disk, diskIndex: index }))),
  lastMark: fc.option(fc.record({ mapEpoch: token(), markId: natural })),
  lastCheckpoint: fc.option(fc.record({ checkpointId: token(), sequence: positive })),
});

const write: Arbitrary<WriteFrame> = fc
  .record({
    blockCount: fc.integer({ min: 1, max: 16 }),
    missingBytes: fc.integer({ min: 0, max: BLOCK_SIZE_BYTES - 1 }),
    compressed: fc.boolean(),
    fill: fc.integer({ min: 0, max: 255 }),
    firstBlock: fc.integer({ min: 0, max: 2 ** 32 - 17 }),
    diskIndex,
  })
  .map(({ blockCount, missingBytes, compressed, fill, firstBlock, diskIndex: disk }) => {
    const rawLengthBytes = blockCount * BLOCK_SIZE_BYTES - missingBytes;
    const useZstd = compressed && rawLengthBytes > 1;
    return {
      type: 'write',
      diskIndex: disk,
      firstBlock,
      blockCount,
      codec: useZstd ? 'zstd' : 'raw',
      rawLengthBytes,
      digests: new Uint8Array(blockCount * DIGEST_BYTES).fill(fill),
      payload: new Uint8Array(useZstd ? rawLengthBytes >> 1 : rawLengthBytes).fill(fill),
    };
  });

const range = { diskIndex, firstBlock: fc.integer({ min: 0, max: 2 ** 32 - 65_537 }) };

const checkpoint: Arbitrary<CheckpointFrame> = fc.record({
  type: fc.constant('checkpoint' as const),
  checkpointId: token(),
  markId: positive,
  consistency: fc.constantFrom('crash' as const, 'filesystem' as const),
  instantMicroseconds: natural,
  pauseMicroseconds: natural,
  requestId: token(0),
  traceparent: token(0),
});

export function arbitraryFrame(): Arbitrary<Frame> {
  return fc.oneof<Arbitrary<Frame>[]>(
    hello,
    helloAnswer,
    write,
    fc.record({ type: fc.constant('zero' as const), ...range, blockCount: fc.integer({ min: 1, max: 65_536 }) }),
    fc.record({ type: fc.constant('mark' as const), markId: positive }),
    fc.record({ type: fc.constant('markAck' as const), markId: positive }),
    checkpoint,
    fc.record({
      type: fc.constant('checkpointAck' as const),
      checkpointId: token(),
      markId: positive,
      sequence: positive,
    }),
    fc.record({
      type: fc.constant('digestRequest' as const),
      ...range,
      blockCount: fc.integer({ min: 1, max: 65_536 }),
    }),
    fc
      .record({
        ...range,
        digests: fc.integer({ min: 1, max: 2000 }).map((count) => new Uint8Array(count * DIGEST_BYTES)),
      })
      .map((answer) => ({
        type: 'digestAnswer' as const,
        ...answer,
        blockCount: answer.digests.byteLength / DIGEST_BYTES,
      })),
    fc.constant({ type: 'heartbeat' as const }),
    fc.record({
      type: fc.constant('check' as const),
      answerPaddingBytes: fc.integer({ min: 0, max: 1_048_576 }),
      padding: fc.uint8Array({ maxLength: 2_000 }),
    }),
    fc.record({
      type: fc.constant('checkAnswer' as const),
      instantMicroseconds: natural,
      sessionConnected: fc.boolean(),
      padding: fc.uint8Array({ maxLength: 2_000 }),
    }),
    fc.record({ type: fc.constant('error' as const), code: token(), message: sentence, action: sentence }),
  );
}
