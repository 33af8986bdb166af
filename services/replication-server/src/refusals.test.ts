import { afterEach, expect, jest, test } from '@jest/globals';
import { because } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import { Refusals } from './refusals.ts';

const MACHINE = 'm-0123456789abcdef0123';
const OTHER = 'm-ffffffffffffffffffff';

afterEach(() => {
  jest.useRealTimers();
});

function expired(): LmsError {
  return new LmsError('UNAUTHENTICATED', 'it ran out', { cause: because('CERTIFICATE_EXPIRED') });
}

function fenced(): LmsError {
  return new LmsError('FENCED', 'another one took over');
}

test('a machine is told of with its own refusals, newest first, and counted by reason', () => {
  const refusals = new Refusals();
  refusals.record(expired(), { machineId: MACHINE, address: '198.18.1.2:4711', proven: false });
  refusals.record(fenced(), { machineId: MACHINE, address: null, proven: true });
  refusals.record(expired(), { machineId: MACHINE, address: '198.18.1.2:4712', proven: false });
  refusals.record(fenced(), { machineId: OTHER, address: null, proven: true });
  expect(refusals.of(MACHINE)).toMatchObject([
    { reason: 'CERTIFICATE_EXPIRED', count: 2, address: '198.18.1.2:4712', proven: false },
    { reason: 'FENCED', count: 1, proven: true },
  ]);
});

test('a connection that said nothing counts for everybody, by where it came from, and no more than eight of them', () => {
  const refusals = new Refusals();
  for (let host = 1; host <= 20; host++) {
    const stalled = new LmsError('UNAVAILABLE', 'no hello', { cause: because('TLS_STALLED') });
    for (let port = 1; port <= 2; port++) {
      refusals.record(stalled, { machineId: null, address: `198.18.1.${host}:${port}`, proven: false });
    }
  }
  const seen = refusals.of(MACHINE);
  expect(seen).toHaveLength(8);
  expect(seen[0]).toMatchObject({ reason: 'TLS_STALLED', address: '198.18.1.20:2', count: 2 });
});

test('is forgotten after ten minutes', () => {
  jest.useFakeTimers({ now: 0 });
  const refusals = new Refusals();
  refusals.record(fenced(), { machineId: MACHINE, address: null, proven: true });
  jest.setSystemTime(9 * 60_000);
  expect(refusals.of(MACHINE)).toHaveLength(1);
  jest.setSystemTime(11 * 60_000);
  expect(refusals.of(MACHINE)).toEqual([]);
});

test('keeps a bounded number of machines', () => {
  const refusals = new Refusals();
  for (let machine = 0; machine < 5_000; machine++) {
    refusals.record(fenced(), { machineId: `m-${machine}`, address: null, proven: true });
  }
  expect(refusals.of('m-0')).toEqual([]);
  expect(refusals.of('m-4999')).toHaveLength(1);
});
