import { expect, test } from '@jest/globals';
import { Metadata, status } from '@grpc/grpc-js';
import { ERROR_CODES, LmsError } from '@lms/errors';
import { fromStatus, toStatus } from './status.ts';

test.each(ERROR_CODES)('%s comes back as itself', (code) => {
  const sent = new LmsError(code, 'what', { action: 'do', field: 'where' });
  const received = fromStatus(Object.assign(new Error(), toStatus(sent)), 'lms.v1.Registry/GetMachine');
  expect(received).toMatchObject({ code, message: 'what', action: 'do', field: 'where' });
});

test('an error without action and field comes back without them', () => {
  const received = fromStatus(Object.assign(new Error(), toStatus(new LmsError('ABORTED', 'what'))), 'm');
  expect(received).toMatchObject({ action: null, field: null });
});

test.each([
  [status.UNAVAILABLE, 'UNAVAILABLE'],
  [status.UNIMPLEMENTED, 'UNSUPPORTED'],
  [status.UNKNOWN, 'INTERNAL'],
] as const)('a status of gRPC itself, %p, becomes %s with the method in its message', (code, expected) => {
  const failure = Object.assign(new Error(), { code, details: 'why', metadata: new Metadata() });
  expect(fromStatus(failure, 'lms.v1.Logs/QueryLogs')).toMatchObject({
    code: expected,
    message: 'lms.v1.Logs/QueryLogs: why',
  });
});

test('a detail that is not of this product is ignored', () => {
  const metadata = new Metadata();
  metadata.set('lms-error-bin', Buffer.from([0x0a, 0x03, 0x4e, 0x4f, 0x4e]));
  const failure = Object.assign(new Error(), { code: status.NOT_FOUND, details: 'why', metadata });
  expect(fromStatus(failure, 'm')).toMatchObject({ code: 'NOT_FOUND', message: 'm: why' });
});
