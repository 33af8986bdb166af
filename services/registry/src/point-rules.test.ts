import { expect, test } from '@jest/globals';
import { Point } from '@lms/proto';
import { mergePoint, parsePointKey, pointKey, samePoint } from './point-rules.ts';

const disk = { diskId: 'a', device: '/dev/a', sizeBytes: 1n, sha256: '' };
const point = (change: Partial<Point> = {}): Point => ({
  ...Point.fromPartial({ sequence: 1n, checkpointId: 'c', createdAt: 't' }),
  disks: [disk],
  ...change,
});

test('keys are in the order of sequences and come back as they were', () => {
  const keys = [1n, 9n, 10n, 100n, 2n ** 50n].map((sequence) => pointKey('m-1', sequence));
  expect([...keys].sort()).toEqual(keys);
  expect(parsePointKey(keys[2] ?? '')).toEqual({ machineId: 'm-1', sequence: 10n });
});

test('a report keeps digests that were found out here, and replaces everything else', () => {
  const known = point({ pinned: true, disks: [{ ...disk, sha256: 'ff' }] });
  const merged = mergePoint(known, point({ requestId: 'r' }));
  expect(merged).toMatchObject({ pinned: false, requestId: 'r', disks: [{ sha256: 'ff' }] });
  expect(mergePoint(known, point({ disks: [{ ...disk, sha256: 'ee' }] })).disks[0]?.sha256).toBe('ee');
  expect(samePoint(known, mergePoint(known, point({ pinned: true })))).toBe(true);
  expect(samePoint(known, mergePoint(known, point()))).toBe(false);
  expect(samePoint(known, merged)).toBe(false);
});
