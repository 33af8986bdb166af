import { expect, test } from '@jest/globals';
import { HeartbeatMachineRequest, LifecycleState, Point, type Machine } from '@lms/proto';
import { nameIsFree } from './machine-name.ts';
import { createMachineId, newMachine, presentMachine, withHeartbeat } from './machine-rules.ts';
import { effectiveSettings } from './settings/setting-rules.ts';

const now = new Date('2026-11-23T12:00:00Z');
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
const disk = { diskId: 'a', device: '/dev/sda', sizeBytes: 10n };

const settings = { settings: effectiveSettings(), settingsRevision: 1n };
const machine: Machine = newMachine(
  { machineId: createMachineId(), name: 'web', disks: [disk], agentVersion: '1', inventoryJson: '{}' },
  now,
);
const heartbeat = (change: Partial<HeartbeatMachineRequest>): HeartbeatMachineRequest => ({
  ...HeartbeatMachineRequest.fromPartial({ machineId: machine.machineId, agentVersion: '1' }),
  ...change,
});

test('an id is a DNS label and never twice the same', () => {
  expect(createMachineId()).toMatch(/^m-[0-9a-f]{20}$/);
  expect(createMachineId()).not.toBe(createMachineId());
});

test('a heartbeat that tells nothing new changes nothing', () => {
  expect(withHeartbeat(machine, heartbeat({ disks: [disk] }))).toBe(machine);
  expect(withHeartbeat(machine, heartbeat({}))).toBe(machine);
});

test('a disk that got another name, another size or company is told', () => {
  for (const disks of [
    [{ ...disk, device: '/dev/sdb' }],
    [{ ...disk, sizeBytes: 11n }],
    [disk, { ...disk, diskId: 'b' }],
  ]) {
    const told = withHeartbeat(machine, heartbeat({ disks }));
    expect(told).not.toBe(machine);
    expect(told.disks).toEqual(disks);
  }
  expect(withHeartbeat(machine, heartbeat({ agentVersion: '2' })).agentVersion).toBe('2');
  expect(withHeartbeat(machine, heartbeat({ inventoryJson: '{"a":1}' })).inventoryJson).toBe('{"a":1}');
});

test('an agent is connected until heartbeats are missing, and its machine disconnected some minutes later', () => {
  const lastPoint = Point.fromPartial({ sequence: 1n });
  const at = (seconds: number): Machine =>
    presentMachine(machine, { ...settings, lastSeenAt: now, lastPoint, revision: 5 }, later(seconds));
  expect(at(34)).toMatchObject({ agentConnected: true, lifecycleState: LifecycleState.READY_FOR_TEST, revision: 5n });
  expect(at(35)).toMatchObject({ agentConnected: false, lifecycleState: LifecycleState.READY_FOR_TEST });
  expect(at(301)).toMatchObject({ agentConnected: false, lifecycleState: LifecycleState.DISCONNECTED });
});

test('a machine without a point is not ready, seen or not', () => {
  const none = { ...settings, lastPoint: undefined, revision: 1 };
  const seen = presentMachine(machine, { ...none, lastSeenAt: now }, later(1));
  const unseen = presentMachine(machine, { ...none, lastSeenAt: undefined }, later(1_000));
  expect(seen.lifecycleState).toBe(LifecycleState.NOT_READY);
  expect(unseen).toMatchObject({ lifecycleState: LifecycleState.NOT_READY, agentConnected: false });
});

test('a name that was reserved for a machine that never came is free after a minute, and never while it is there', () => {
  const reserved = { name: 'web', machineId: 'm-1', reservedAt: now.toISOString() };
  expect(nameIsFree(reserved, false, later(60))).toBe(false);
  expect(nameIsFree(reserved, false, later(61))).toBe(true);
  expect(nameIsFree(reserved, true, later(1_000_000))).toBe(false);
});
