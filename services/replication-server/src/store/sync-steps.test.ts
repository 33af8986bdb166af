/**
 * Each fsync of the store is there because something breaks without it: with any one of them taken out (it returns, and
 * does nothing) a crash history must find a broken promise. A sync without which all stays right is one too many.
 */
import { expect, test } from '@jest/globals';
import type { SyncStep } from './sync-steps.ts';
import { SYNC_STEPS } from './sync-steps.ts';
import type { Strike } from './test-support/crash-history.ts';
import { runHistory } from './test-support/crash-history.ts';

/** Enough for the rarest, several times over. */
const MAXIMUM_HISTORIES = 400;

/** The form in which a step is made, or is found wanting first. */
const REFLINK_ONLY: ReadonlySet<SyncStep> = new Set(['open.root-folder', 'clone.image', 'clone.digests']);

/** Two orders matter only if the process ends in the middle of merging segments. */
const STRIKES: Partial<Record<SyncStep, readonly Strike[]>> = {
  'compaction.folder': [{ kind: 'powerCut', step: 'segment.removal' }],
  'open.segments-folder': [
    { kind: 'kill', step: 'compaction.folder' },
    { kind: 'powerCut', step: 'segment.removal' },
  ],
};

test.each(SYNC_STEPS.map((step) => [step] as const))(
  'without %s a crash breaks a promise',
  async (lie) => {
    const form = REFLINK_ONLY.has(lie) ? 'reflink' : 'journal';
    const strikes = STRIKES[lie] ?? [];
    let made = 0;
    for (let seed = 1; seed <= MAXIMUM_HISTORIES; seed += 1) {
      try {
        made += (await runHistory({ seed, form, lie, strikes })).steps.get(lie) ?? 0;
      } catch (thrown) {
        expect(thrown).toHaveProperty('name', 'Violation');
        return;
      }
    }
    throw new Error(`${MAXIMUM_HISTORIES} histories left out ${lie} ${made} times, and nothing broke`);
  },
  600_000,
);

test('the orders that are struck on purpose hold when no sync is left out', async () => {
  for (const strikes of Object.values(STRIKES)) {
    for (let seed = 1; seed <= 30; seed += 1) await runHistory({ seed, form: 'journal', strikes });
  }
}, 600_000);
