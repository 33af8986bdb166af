// Faults of the machine, of its identity, and of the replication server.

import { expect, test } from '@jest/globals';
import * as faults from './faults.ts';
import { testEach, useWorld } from './one-fault.ts';

const world = useWorld();

testEach(world, [
  faults.AGENT_SILENT,
  faults.AGENT_CUT_OFF_FROM_MANAGER,
  faults.AGENT_CLOCK_BEHIND,
  faults.AGENT_CLOCK_AHEAD,
  faults.AGENT_CERTIFICATE_EXPIRED,
  faults.TWO_AGENTS,
  faults.PAUSED,
  faults.STAGING_FULL,
  faults.REPLICATION_SERVER_DOWN,
]);

test('MACHINE_REMOVED is named, by the name that the machine had', async () => {
  await faults.MACHINE_REMOVED.make(world());
  const found = await world().waitForCause('MACHINE_REMOVED');
  expect(found).toMatchObject({ healthy: false, otherCauses: [], machine: { name: 'source' } });
});

test('a machine that never was is not known', async () => {
  const { exitCode } = await world().manager.command('diagnose', 'nobody');
  expect(exitCode).toBe(4);
});
