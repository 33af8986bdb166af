import { expect, test } from '@jest/globals';
import { UNLIMITED } from '@lms/api';
import { blockStreamAddresses, parseAssignment, sameAssignment, type Assignment } from './assignment.ts';

const serverName = 'm.block-stream.lms.internal';

const assignment: Assignment = {
  blockStream: { host: '127.0.0.1', port: 1500, serverName },
  blockStreamAlternatives: [{ host: '10.0.0.1', port: 1501, serverName }],
  settings: {
    pointIntervalSeconds: 10,
    freezeIntervalSeconds: 60,
    freezing: true,
    compression: 'adaptive',
    bandwidth: UNLIMITED,
  },
  desired: { paused: false },
};

test('an assignment comes back as it was saved', () => {
  expect(parseAssignment(JSON.stringify(assignment))).toEqual(assignment);
});

test.each([null, '', '{', '{}'])('%j is no assignment', (text) => {
  expect(parseAssignment(text)).toBeNull();
});

test('the same assignment in another order is the same, and any change is one', () => {
  const { desired, settings, blockStream, blockStreamAlternatives } = assignment;
  expect(sameAssignment(assignment, { desired, settings, blockStreamAlternatives, blockStream })).toBe(true);
  expect(sameAssignment(assignment, { ...assignment, blockStreamAlternatives: [] })).toBe(false);
  expect(sameAssignment(assignment, { ...assignment, desired: { paused: true } })).toBe(false);
  expect(sameAssignment(assignment, { ...assignment, blockStream: null })).toBe(false);
});

test('an assignment of before, with one address, has no alternatives', () => {
  const { blockStreamAlternatives: _none, ...before } = assignment;
  const parsed = parseAssignment(JSON.stringify(before));
  expect(parsed).toEqual({ ...before, blockStreamAlternatives: [] });
  expect(parsed && blockStreamAddresses(parsed)).toEqual([assignment.blockStream]);
  expect(blockStreamAddresses({ ...assignment, blockStream: null })).toEqual([]);
});
