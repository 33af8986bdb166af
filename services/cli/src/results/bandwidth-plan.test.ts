import { expect, test } from '@jest/globals';
import { machineNeed, planGroup, type GroupMachine } from '@lms/bandwidth-model';
import { bandwidthPlanResult } from './bandwidth-plan.ts';

function machine(name: string, bytesPerSecond: number, remainingWireBytes = 0): GroupMachine {
  const samples = Array.from({ length: 100 }, (_, index) => {
    const bytes = index * 5 * bytesPerSecond;
    return { atSeconds: index * 5, bytesDirtied: bytes, bytesRaw: bytes, bytesSentWire: bytes };
  });
  return { name, need: machineNeed(samples), remainingWireBytes, limitBitsPerSecond: null };
}

function planned(machines: readonly GroupMachine[], link: number) {
  return bandwidthPlanResult(machines, planGroup(machines, link, 1.25), { link, headroom: 1.25 });
}

test('each machine has a line, with the place of its initial sync, and the sum is below', () => {
  const result = planned([machine('db', 1e6), machine('web', 1e5, 1e9)], 100e6);
  const table = result.table();
  expect(table).toMatch(/db +10\.5 Mbit\/s .*done/);
  expect(table).toMatch(/web +1\.1 Mbit\/s .*1\. \(954 MiB\) +0s +1m 2\ds/);
  expect(table).toContain('11.6 Mbit/s on average');
  expect(table).toContain('100 Mbit/s carries these machines when all are continuous, with headroom.');
  expect(result.value).toMatchObject({ converges: true, leaveOut: [] });
  expect(result.names()).toEqual(['web']);
});

test('what does not converge says which link it takes, and which machine to leave for later', () => {
  const result = planned([machine('db', 4e6, 1e9), machine('web', 1e5)], 10e6);
  expect(result.value).toMatchObject({ converges: false, leaveOut: ['db'] });
  expect(result.table()).toContain('give the link at least');
  expect(result.table()).toContain('leave for later: db');
  expect(result.table()).toContain('never');
});

test('without statistics nothing is claimed', () => {
  const unknown = { ...machine('new', 0), need: machineNeed([]) };
  const result = planned([unknown], 10e6);
  expect(result.value).toMatchObject({ needed: null, converges: null, unknown: ['new'] });
  expect(result.table()).toContain('unknown');
});
