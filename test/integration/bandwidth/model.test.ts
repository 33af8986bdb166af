// The model knows amounts and ages, the replay knows every block: they must agree, on traces that no constant was fitted on.

import { expect, test } from '@jest/globals';
import { MODEL_CONSTANTS, lagDistribution, modelReplication } from '@lms/bandwidth-model';
import { replayBlockExact } from '../../bandwidth/block-exact-replay.ts';
import { seriesOfTrace } from '../../bandwidth/trace-series.ts';
import { loadTrace } from '../../bandwidth/write-trace.ts';

const SECONDS = 38;
const SETTLING_SECONDS = 8;
const RATIO = 0.5;

test.each([
  ['fio-zipf', 12, 2],
  ['fio-zipf', 16, 5],
  ['fio-zipf', 40, 2],
  ['pgbench-tpcb', 9, 2],
  ['pgbench-tpcb', 12, 5],
  ['pgbench-tpcb', 40, 2],
])(
  '%s over %d Mbit/s with a point every %d s: lag as of a replay that knows every block, within a fifth',
  (name, megabits, interval) => {
    const writes = loadTrace(name);
    const scenario = {
      compressionRatio: RATIO,
      linkBitsPerSecond: megabits * 1e6,
      pointIntervalSeconds: interval,
      constants: MODEL_CONSTANTS,
    };
    const exact = lagDistribution(
      replayBlockExact({ ...scenario, writes, seconds: SECONDS }),
      SETTLING_SECONDS,
      SECONDS,
    );
    const modelled = modelReplication({
      ...scenario,
      series: seriesOfTrace(writes, SECONDS),
      runBlocks: 1.2,
      freezeIntervalSeconds: 1,
      mayFreeze: true,
    });
    const foretold = lagDistribution(modelled.points, SETTLING_SECONDS, SECONDS);
    if (exact === null || foretold === null) throw new Error('no points');
    for (const figure of ['average', 'p50', 'p95'] as const) {
      expect([figure, Math.abs(foretold[figure] / exact[figure] - 1) <= 0.2, foretold, exact]).toEqual([
        figure,
        true,
        foretold,
        exact,
      ]);
    }
  },
);
