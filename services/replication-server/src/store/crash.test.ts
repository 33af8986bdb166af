/**
 * The store against a file system that forgets all it may (R12 to R15, R18). SEEDS=… runs more histories, SEED=… one again.
 */
import { describe, expect, test } from '@jest/globals';
import type { HistoryReport } from './test-support/crash-history.ts';
import { runHistory } from './test-support/crash-history.ts';

const HISTORIES = Number(process.env['SEEDS'] ?? 100);
const ONLY = process.env['SEED'];
const FIRST_SEED = ONLY === undefined ? 1 : Number(ONLY);
const SEEDS = Array.from({ length: ONLY === undefined ? HISTORIES : 1 }, (_, index) => FIRST_SEED + index);

async function run(options: Parameters<typeof runHistory>[0]): Promise<HistoryReport> {
  try {
    return await runHistory(options);
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`${message}; again with ${JSON.stringify(options)}`, { cause: thrown });
  }
}

describe.each(['reflink', 'journal'] as const)('%s', (form) => {
  test('keeps every promise through kills, power cuts, failed fsyncs and full disks at random', async () => {
    const endings = { powerCut: 0, kill: 0, close: 0, failedSync: 0, fullDisk: 0 };
    let points = 0;
    for (const seed of SEEDS) {
      const report = await run({ seed, form });
      points += report.pointsCommitted;
      for (const kind of Object.keys(endings) as (keyof typeof endings)[]) endings[kind] += report.endings[kind];
    }
    expect(points).toBeGreaterThan(SEEDS.length);
    if (SEEDS.length >= 100) for (const count of Object.values(endings)) expect(count).toBeGreaterThan(10);
  }, 600_000);

  test('keeps every promise when the power is cut at any one operation of a history', async () => {
    const whole = await run({ seed: 11, form, actions: 14, cutAt: -1 });
    expect(whole.pointsCommitted).toBeGreaterThan(1);
    for (let cutAt = 0; cutAt < whole.operations; cutAt += 1) await run({ seed: 11, form, actions: 14, cutAt });
  }, 600_000);
});
