/** A few real power cuts; `make torture` does a hundred. */
import { expect, test } from '@jest/globals';
import { runPowerCuts } from './power-cut.ts';

test.each(['journal', 'reflink'] as const)(
  '%s: every acknowledged point is there bit for bit after real power cuts',
  async (form) => {
    const report = await runPowerCuts({ form, cuts: 4, seed: 1 });
    expect(report.cuts).toBe(4);
    expect(report.pointsCompared).toBeGreaterThan(0);
  },
  600_000,
);
