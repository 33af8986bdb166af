import { expect, test } from '@jest/globals';
import { openStagingStore } from '../open-staging-store.ts';
import { SimulatedFileSystem } from '../simulated/index.ts';
import { CrashAgent } from './crash-agent.ts';
import { CrashOracle } from './crash-oracle.ts';
import { EVEN_DISK, seeded } from './source-disks.ts';

/** A store with two points, and the oracle that knows them. */
async function twoPoints() {
  const system = new SimulatedFileSystem({ random: seeded(1), canClone: true });
  const store = await openStagingStore({ fileSystem: system.mount(), floorBytes: 0 });
  const oracle = new CrashOracle([EVEN_DISK]);
  const agent = new CrashAgent(oracle, seeded(1), 1);
  await agent.connect(store);
  while (agent.pointsCommitted < 2) await agent.resume(store);
  return { store, oracle };
}

test('of several changes of pins whose acknowledgements were lost, each may have been made or not', async () => {
  const { store, oracle } = await twoPoints();
  for (const [sequence, pinned] of [
    [1, true],
    [2, true],
    [2, false],
  ] as const) {
    oracle.pinning(sequence, pinned);
    await store.pinPoint(sequence, pinned);
  }
  await oracle.checkOpened(store);
  expect([1, 2].map((sequence) => oracle.isPinned(sequence))).toEqual([true, false]);
  await store.close();
});

test('a pin that nobody asked for, and one that is gone, are violations', async () => {
  const { store, oracle } = await twoPoints();
  await store.pinPoint(1, true);
  await expect(oracle.checkOpened(store)).rejects.toThrow('point 1 is pinned (R12)');
  oracle.pinning(1, true);
  oracle.pinChanged(1, true);
  await oracle.checkOpened(store);
  await store.pinPoint(1, false);
  await expect(oracle.checkOpened(store)).rejects.toThrow('point 1 is not pinned (R12)');
  await store.close();
});
