import { expect, test } from '@jest/globals';
import { SeriesSample } from '@lms/proto';
import { ratesOf } from './rates.ts';

function sample(seconds: number, bytesRaw: number, backlogBytes: number): SeriesSample {
  return SeriesSample.fromPartial({
    at: new Date(seconds * 1_000),
    bytesRaw: BigInt(bytesRaw),
    bytesSentWire: BigInt(bytesRaw / 2),
    backlogBytes: BigInt(backlogBytes),
  });
}

test('what was changed is what was sent and what the backlog grew by', () => {
  expect(ratesOf([sample(0, 1_000, 0), sample(5, 2_000, 500), sample(10, 3_000, 8_000)])).toEqual({
    seconds: 10,
    backlogBefore: 0,
    backlogNow: 8_000,
    writtenBytesPerSecond: 1_000,
    sentBytesPerSecond: 200,
    wireBitsPerSecond: 800,
  });
});

test('an agent that was started anew is measured from its start', () => {
  expect(ratesOf([sample(0, 9_000, 0), sample(5, 0, 4_000), sample(10, 1_000, 3_000)])).toMatchObject({
    seconds: 5,
    sentBytesPerSecond: 200,
    writtenBytesPerSecond: 0,
  });
});

test('of one sample nothing follows', () => {
  expect(ratesOf([sample(0, 2, 1)])).toBeNull();
  expect(ratesOf([])).toBeNull();
});
