import { expect, test } from '@jest/globals';
import { lagDistribution } from './lag.ts';
import { modelInitialSync } from './initial-sync.ts';
import { modelReplication, type ReplicationScenario } from './replication-model.ts';
import { NEVER, type WriteSeries } from './write-series.ts';

const BLOCK_BYTES = 65_536;
const MEBIBYTE = 1024 * 1024;

/** New blocks in every tick, for ever; `hot`: the same blocks again and again. */
function writing(blocksPerSecond: number, { hot = false, stillShare = 0 } = {}): WriteSeries {
  const blocksByAge = Array.from({ length: NEVER + 1 }, () => 0);
  blocksByAge[hot ? 0 : NEVER] = blocksPerSecond / 4;
  const tick = { writtenBytes: blocksPerSecond * 1024, blocksByAge, stillShare };
  return { tickSeconds: 0.25, blockSizeBytes: BLOCK_BYTES, ticks: Array.from({ length: 480 }, () => tick) };
}

function scenario(series: WriteSeries, change: Partial<ReplicationScenario> = {}): ReplicationScenario {
  return {
    series,
    compressionRatio: 0.5,
    runBlocks: 1,
    linkBitsPerSecond: 20_000_000,
    pointIntervalSeconds: 5,
    freezeIntervalSeconds: 5,
    mayFreeze: true,
    ...change,
  };
}

function lagOf(asked: ReplicationScenario) {
  const { points, modelledSeconds } = modelReplication(asked);
  const lag = lagDistribution(points, modelledSeconds / 4, modelledSeconds);
  if (lag === null) throw new Error('no points');
  return lag;
}

test('a machine that writes nothing has a point every interval, and its lag is no more than that', () => {
  const lag = lagOf(scenario(writing(0, { stillShare: 1 })));
  expect(lag.peak).toBeLessThan(6);
  expect(lag.average).toBeGreaterThan(2);
});

test('the faster the link, the smaller the lag', () => {
  const lags = [6, 8, 12, 20, 100].map(
    (megabits) => lagOf(scenario(writing(20), { linkBitsPerSecond: megabits * 1e6 })).average,
  );
  expect(lags).toEqual(lags.toSorted((a, b) => b - a));
});

test('what is rewritten is sent once per cycle, however often it is written', () => {
  const hot = modelReplication(scenario(writing(400, { hot: true })));
  const cold = modelReplication(scenario(writing(400), { linkBitsPerSecond: 1e9 }));
  expect(hot.wireBytes).toBeLessThan(cold.wireBytes / 3);
});

test('a link that carries less than is dirtied leaves a backlog that grows, and no more points', () => {
  const slow = scenario(writing(100), { linkBitsPerSecond: 10_000_000 });
  const { points, backlogBytes } = modelReplication(slow);
  expect(backlogBytes).toBeGreaterThan(64 * MEBIBYTE);
  const { points: longer } = modelReplication({ ...slow, modelledSeconds: 1_000 });
  expect(longer).toEqual(points);
});

test('a writer that never pauses gets no point without a freeze, and one that pauses does', () => {
  expect(modelReplication(scenario(writing(10), { mayFreeze: false })).points).toEqual([]);
  expect(
    modelReplication(scenario(writing(10, { stillShare: 0.5 }), { mayFreeze: false })).points.length,
  ).toBeGreaterThan(5);
});

test('points of a busy machine come as often as it may be frozen', () => {
  const lag = lagOf(scenario(writing(10), { pointIntervalSeconds: 1, freezeIntervalSeconds: 30 }));
  expect(lag.peak).toBeGreaterThan(25);
  expect(lag.peak).toBeLessThan(40);
});

test('the same question has the same answer', () => {
  const asked = scenario(writing(30, { stillShare: 0.3 }));
  expect(modelReplication(asked)).toEqual(modelReplication(asked));
});

const COPY = { diskBytes: 1024 * MEBIBYTE, presentRatio: 0.5, writtenRatio: 0.5, linkBitsPerSecond: 100_000_000 };

test('the initial sync of a still machine takes what its bytes take', () => {
  const { seconds, wireBytes, passes } = modelInitialSync({ ...COPY, series: writing(0) });
  expect(passes).toBe(1);
  expect(seconds).toBeCloseTo((wireBytes * 8) / 100_000_000, 3);
  expect(wireBytes / (512 * MEBIBYTE)).toBeCloseTo(1.07, 1);
});

test('the initial sync of a disk of zeros takes as long as reading it', () => {
  const { seconds, wireBytes } = modelInitialSync({ ...COPY, presentRatio: 0, series: writing(0) });
  expect(wireBytes).toBe(0);
  expect(seconds).toBeGreaterThan(1);
});

test('writes make it longer, and too many make it endless', () => {
  const still = modelInitialSync({ ...COPY, series: writing(0) }).seconds as number;
  const busy = modelInitialSync({ ...COPY, series: writing(150) });
  expect(busy.passes).toBeGreaterThan(1);
  expect(busy.seconds).toBeGreaterThan(still * 1.1);
  expect(modelInitialSync({ ...COPY, series: writing(1000) }).seconds).toBeNull();
});
