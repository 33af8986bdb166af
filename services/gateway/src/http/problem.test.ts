import { expect, test } from '@jest/globals';
import { Problem } from '@lms/api';
import { ERROR_CODES, LmsError } from '@lms/errors';
import { BODY_FIELD, IF_MATCH_FIELD, errorOf, fieldOf, problemOf } from './problem.ts';

test('every code has a status of 4xx or 5xx and a problem document that clients understand', () => {
  for (const code of ERROR_CODES) {
    const problem = problemOf(new LmsError(code, 'message', { action: 'do', field: 'f' }));
    expect(Problem.parse(problem)).toEqual(problem);
    expect(problem.status).toBeGreaterThanOrEqual(400);
    expect(problem.status).toBeLessThan(600);
    expect(problem.type).toMatch(/^urn:lms:problem:[a-z-]+$/);
  }
});

test('what broke inside is not told to the caller', () => {
  const problem = problemOf(errorOf(new Error('secret path /etc/key')));
  expect(problem).toMatchObject({ status: 500, code: 'INTERNAL' });
  expect(JSON.stringify(problem)).not.toContain('secret');
});

test('a condition of the request that fails is 412, and a body that is too long 413', () => {
  expect(problemOf(new LmsError('ABORTED', 'm', { field: IF_MATCH_FIELD })).status).toBe(412);
  expect(problemOf(new LmsError('ABORTED', 'm')).status).toBe(409);
  expect(problemOf(new LmsError('RESOURCE_EXHAUSTED', 'm', { field: BODY_FIELD })).status).toBe(413);
  expect(problemOf(new LmsError('RESOURCE_EXHAUSTED', 'm')).status).toBe(429);
});

test('a field is named as a program would write it', () => {
  expect(fieldOf('/batch/0/disks/12/diskId')).toBe('batch[0].disks[12].diskId');
  expect(fieldOf('')).toBe('');
});
