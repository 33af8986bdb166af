// Faults of the way to 1500.

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
  faults.PORT_CLOSED,
  faults.PACKETS_DROPPED,
  faults.CONNECTION_RESET,
  faults.PATH_MTU,
  faults.CERTIFICATE_UNTRUSTED,
  faults.HANDSHAKE_STALLED,
  faults.NOT_A_REPLICATION_SERVER,
  faults.BANDWIDTH_TOO_LOW,
])('$cause is named, alone, and nothing is found any more once it is mended', (fault) => expectDiagnosis(world, fault));
