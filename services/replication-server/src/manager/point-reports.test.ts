import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { PointsReport } from '@lms/api';
import { LmsError } from '@lms/errors';
import type { StagedPoint } from '../store/staging-store.ts';
import { PointReports, toInstant } from './point-reports.ts';

let sent: PointsReport[];
let failing: number;
let known: StagedPoint[];
let ending: AbortController;
let reports: PointReports;

function point(sequence: number): StagedPoint {
  const disks = [{ diskId: 'd', diskIndex: 0, device: '/dev/sda', sizeBytes: 512 }];
  const common = { requestId: '', consistency: 'crash', pauseMicroseconds: 0, pinned: false, disks } as const;
  return { ...common, sequence, checkpointId: `c-${sequence}`, instantMicroseconds: sequence };
}

beforeEach(() => {
  sent = [];
  failing = 0;
  known = [];
  ending = new AbortController();
  reports = new PointReports({
    send: (_machine, report) => {
      if (failing > 0) {
        failing -= 1;
        return Promise.reject(new LmsError('UNAVAILABLE', 'away'));
      }
      sent.push(report);
      return Promise.resolve();
    },
    points: () => Promise.resolve(known),
    onFailure: () => undefined,
    signal: ending.signal,
  });
});
afterEach(() => ending.abort());

function commit(sequence: number): void {
  known.push(point(sequence));
  reports.committed('m', point(sequence));
}

const sequences = (): number[][] => sent.map((report) => report.points.map(({ sequence }) => sequence));

test('each new point is reported alone and in order, and again until it was taken', async () => {
  failing = 1;
  commit(1);
  commit(2);
  await reports.idle();
  expect(sequences()).toEqual([[1], [2]]);
  expect(sent.every((report) => !report.complete)).toBe(true);
});

test('the complete list covers the points that wait, and is repeated until it was taken', async () => {
  failing = 1;
  commit(1);
  reports.reportAll('m');
  commit(2);
  await reports.idle();
  expect(sent.at(-1)).toMatchObject({ complete: true });
  expect(sequences().at(-1)).toEqual([1, 2]);
});

test('a queue that grows while the manager is away becomes one complete list', async () => {
  for (let sequence = 1; sequence <= 40; sequence += 1) commit(sequence);
  await reports.idle();
  // The first was under way already.
  expect(sent.map((report) => report.complete)).toEqual([false, true]);
  expect(sequences()[1]).toHaveLength(40);
});

test('a stop ends the waiting', async () => {
  failing = Number.POSITIVE_INFINITY;
  commit(1);
  ending.abort();
  await reports.idle();
  expect(sent).toEqual([]);
});

test('an instant keeps its microseconds', () => {
  expect(toInstant(1_793_750_400_123_456)).toBe('2026-11-04T00:00:00.123456Z');
  expect(toInstant(0)).toBe('1970-01-01T00:00:00.000000Z');
});
