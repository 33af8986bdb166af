// A fault, its diagnosis, and the diagnosis once it is mended.

import { expect } from '@jest/globals';
import type { Fault } from './faults.ts';
import type { World } from './world.ts';

/** The cause is named, and no other one beside it; mended, nothing is found. */
export async function expectDiagnosis(world: World, { cause, make, mend }: Fault): Promise<void> {
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
