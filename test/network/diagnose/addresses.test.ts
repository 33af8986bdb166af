// Faults of addresses and names, and of the proxy on the way.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import * as faults from './faults.ts';
import { expectDiagnosis } from './one-fault.ts';
import { World } from './world.ts';

const cleanup = new Cleanup();
let world: World;

beforeAll(async () => {
  world = await World.create(cleanup);
  await world.waitForCause(null);
});

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

test.each([
  faults.NAME_NOT_KNOWN,
  faults.NAME_OF_ANOTHER,
  faults.PRIVATE_ADDRESS_FROM_OUTSIDE,
  faults.PROXY_NEEDS_AUTHENTICATION,
  faults.ADDRESS_CHANGED,
])('$cause is named, alone, and nothing is found any more once it is mended', (fault) => expectDiagnosis(world, fault));
