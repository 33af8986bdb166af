import { expect, test } from '@jest/globals';
import { Machine, OperationKind, Point, ReplicationState, StallCause, wordOf } from './index.ts';

test('every value of an enum is said by its own word and comes back by it', () => {
  for (const [word, value] of Object.entries(ReplicationState)) {
    const said = wordOf(ReplicationState, value);
    if (value <= 0) expect(said).toBeNull();
    else {
      expect(said).toBe(word);
      expect(ReplicationState[said ?? 'UNSPECIFIED']).toBe(value);
    }
  }
});

test('a value that this version does not know is null, as is an unspecified one', () => {
  expect(wordOf(StallCause, 999)).toBeNull();
  expect(wordOf(OperationKind, 0)).toBeNull();
});

test('sizes above 2^53 pass through a message unharmed', () => {
  const sizeBytes = 2n ** 63n + 1n;
  const machine = Machine.fromPartial({ machineId: 'm-1', disks: [{ diskId: 'd', device: '/dev/x', sizeBytes }] });
  expect(Machine.decode(Machine.encode(machine).finish()).disks[0]?.sizeBytes).toBe(sizeBytes);
});

test('the instant of a point keeps its microseconds', () => {
  const point = Point.fromPartial({ sequence: 1n, createdAt: '2026-11-23T21:00:00.123456Z' });
  expect(Point.decode(Point.encode(point).finish()).createdAt).toBe('2026-11-23T21:00:00.123456Z');
});
