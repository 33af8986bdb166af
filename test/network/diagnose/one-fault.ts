// A fault, its diagnosis, and the diagnosis once it is mended.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import type { Fault } from './faults.ts';
import { World } from './world.ts';

/** For the tests of one file: a world where at first nothing is found; put away after them. */
export function useWorld(): () => World {
  const cleanup = new Cleanup();
  let world: World | null = null;
  beforeAll(async () => {
    world = await World.create(cleanup);
    await world.waitForCause(null);
  });
  afterAll(async () => {
    expect(await cleanup.run()).toEqual([]);
  });
  return () => {
    if (world === null) throw new Error('the world is not made yet');
    return world;
  };
}

export function testEach(world: () => World, faults: readonly Fault[]): void {
  test.each(faults)('$cause is named, alone, and nothing is found any more once it is mended', (fault) =>
    expectDiagnosis(world(), fault),
  );
}

/** The cause is named, and no other one beside it; mended, nothing is found. */
async function expectDiagnosis(world: World, { cause, make, mend }: Fault): Promise<void> {
  try {
    await make(world);
    const found = await world.waitForCause(cause);
    expect(found.otherCauses).toEqual([]);
  } finally {
    await mend(world);
  }
  await world.waitForCause(null);
}

/** Both at once, made in this order: the one of `first` is to be mended first, and then the other one is named. */
export async function expectFirst(world: World, made: readonly [Fault, Fault], first: Fault): Promise<void> {
  const [one, other] = made;
  const rest = one === first ? other : one;
  try {
    await one.make(world);
    await world.waitForCause(one.cause);
    try {
      await other.make(world);
      await world.waitForCause(first.cause);
    } finally {
      await first.mend(world);
    }
    await world.waitForCause(rest.cause);
  } finally {
    await rest.mend(world);
  }
  await world.waitForCause(null);
}
