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

const M = 1_048_576;

test('what was changed is what was sent and what the backlog grew by', () => {
  expect(ratesOf([sample(0, M, 0), sample(5, 2 * M, 5 * M), sample(10, 3 * M, 8 * M)])).toEqual({
    seconds: 10,
    backlogBefore: 0,
    backlogNow: 8 * M,
    writtenBytesPerSecond: M,
    sentBytesPerSecond: M / 5,
    wireBitsPerSecond: (M / 10) * 8,
  });
});

test('what is looked at begins when everything was sent, or with the agent', () => {
  expect(ratesOf([sample(0, 0, 9 * M), sample(5, 9 * M, 0), sample(10, 9 * M, 4 * M)])).toMatchObject({ seconds: 5 });
  expect(ratesOf([sample(0, 9 * M, 4 * M), sample(5, 0, 4 * M), sample(10, M, 3 * M)])).toMatchObject({
    seconds: 5,
    sentBytesPerSecond: M / 5,
    writtenBytesPerSecond: 0,
  });
});

test('without a backlog, and of one sample, nothing follows', () => {
  expect(ratesOf([sample(0, 2 * M, 4 * M), sample(5, 6 * M, 0)])).toBeNull();
  expect(ratesOf([sample(0, 2, 9 * M)])).toBeNull();
  expect(ratesOf([])).toBeNull();
});
