import { expect, test } from '@jest/globals';
import { parseAssignment, sameAssignment, type Assignment } from './assignment.ts';

const assignment: Assignment = {
  blockStream: { host: '127.0.0.1', port: 1500, serverName: 'm.block-stream.lms.internal' },
  settings: { pointIntervalSeconds: 10, freezeIntervalSeconds: 60, freezing: true, compression: 'adaptive' },
  desired: { paused: false },
};

test('an assignment comes back as it was saved', () => {
  expect(parseAssignment(JSON.stringify(assignment))).toEqual(assignment);
});

test.each([null, '', '{', '{}'])('%j is no assignment', (text) => {
  expect(parseAssignment(text)).toBeNull();
});

test('the same assignment in another order is the same, and any change is one', () => {
  const { desired, settings, blockStream } = assignment;
  expect(sameAssignment(assignment, { desired, settings, blockStream })).toBe(true);
  expect(sameAssignment(assignment, { ...assignment, desired: { paused: true } })).toBe(false);
  expect(sameAssignment(assignment, { ...assignment, blockStream: null })).toBe(false);
});
