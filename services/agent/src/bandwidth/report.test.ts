import { expect, test } from '@jest/globals';
import { NEVER, assess, type AssessmentOptions, type WriteSeries } from '@lms/bandwidth-model';
import { bandwidthResult, type BandwidthReport } from './report.ts';
import type { Measurement } from './measurement.ts';
import type { PathReport } from './path.ts';

function writing(blocksPerTick: number): WriteSeries {
  const blocksByAge = Array.from({ length: NEVER + 1 }, (_, step) => (step === NEVER ? blocksPerTick : 0));
  const tick = { writtenBytes: blocksPerTick * 4096, stillShare: 0, blocksByAge };
  return { tickSeconds: 0.25, blockSizeBytes: 65_536, ticks: Array.from({ length: 40 }, () => tick) };
}

function measurementOf(series: WriteSeries): Measurement {
  const disk = {
    device: '/dev/sda',
    sizeBytes: 1024 ** 3,
    series,
    runBlocks: 2,
    writtenRatio: 0.5,
    presentRatio: 0.25,
  };
  return { startedAt: '2026-01-01T00:00:00.000Z', endedEarly: null, mountedFileSystems: 1, disks: [disk] };
}

const OPTIONS: AssessmentOptions = {
  linkBitsPerSecond: 50_000_000,
  cycleSeconds: 1,
  headroom: 1.25,
  pointIntervalSeconds: 10,
  freezeIntervalSeconds: 60,
  mayFreeze: true,
};

function report(series: WriteSeries, change: Partial<AssessmentOptions> = {}, path: PathReport | null = null) {
  const measurement = measurementOf(series);
  const options = { ...OPTIONS, ...change };
  const result = bandwidthResult({
    measurement,
    options,
    assessment: assess(measurement, options),
    path,
    linkFrom: 'limit',
  });
  return { value: result.value as BandwidthReport, table: result.table(), names: result.names() };
}

test('says what is needed with its headroom, how long the first copy takes, and how far behind the copy will be', () => {
  const { value, table, names } = report(writing(5));
  // 20 blocks of 64 KiB a second, half of that after compression, 5 % for headers, a quarter of headroom.
  expect(value.needed.averageBitsPerSecond).toBeCloseTo(20 * 65_536 * 8 * 0.5 * 1.05 * 1.25, -2);
  expect(names).toEqual([String(value.needed.p95BitsPerSecond)]);
  expect(value.converges).toBe(true);
  // A quarter of a GiB at 50 Mbit/s.
  expect(value.initialSync?.seconds).toBeGreaterThan(40);
  expect(value.initialSync?.seconds).toBeLessThan(60);
  expect(value.lag?.worstSeconds).toBeGreaterThan(value.lag?.typicalSeconds ?? Infinity);
  expect(table).toContain('6.9 Mbit/s on average');
  expect(table).toContain('50 Mbit/s is enough: replication converges.');
});

test('a link that is too slow does not converge, and the way out is named', () => {
  const { value, table } = report(writing(100), { linkBitsPerSecond: 10_000_000 });
  expect(value).toMatchObject({ converges: false, lag: null });
  expect(table).toContain('would not converge');
  expect(table).toContain('Give it at least');
});

test('more bandwidth is not advised where a writer that never pauses is what is wrong', () => {
  const { value, table } = report(writing(5), { mayFreeze: false });
  expect(value.converges).toBe(false);
  expect(table).toContain('More bandwidth does not help');
});

test('without a link nothing is said about time: unknown is null, and not 0', () => {
  const { value, table } = report(writing(5), { linkBitsPerSecond: null });
  expect(value).toMatchObject({ initialSync: null, lag: null, converges: null, path: null });
  expect(table).toContain('unknown');
  expect(table).toContain('--limit');
});

test('a machine that wrote nothing needs nothing, and that is said', () => {
  const { value, table } = report(writing(0), { linkBitsPerSecond: null });
  expect(value.needed.peakBitsPerSecond).toBe(0);
  expect(table).toContain('Nothing was written');
});
