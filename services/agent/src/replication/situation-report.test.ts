import { expect, test } from '@jest/globals';
import { because } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import type { ReplicationStatus, SessionFailure } from '../core/index.ts';
import { SituationReport } from './situation-report.ts';

const EXPIRES_AT = new Date('2030-01-01T00:00:00Z');

function statusWith(lastFailure: SessionFailure | null): ReplicationStatus {
  return { connected: false, lastFailure } as ReplicationStatus;
}

function refused(count: number): SessionFailure {
  const error = new LmsError('UNAVAILABLE', 'refused', { cause: because('TCP_REFUSED') });
  return { error, atMicroseconds: 1_000_000, sinceMicroseconds: 0, count };
}

function report(host: string, resolve?: (name: string) => Promise<readonly string[]>): SituationReport {
  return new SituationReport({
    certificateExpiresAt: () => EXPIRES_AT,
    managerFailure: () => null,
    address: () => ({ host, port: 1500, serverName: 'x' }),
    ...(resolve !== undefined && { resolve }),
  });
}

test('the last failure is told as a word, with where it was tried, and each process has an id of its own', () => {
  const one = report('198.18.2.2');
  expect(one.of(statusWith(null)).failure).toBeNull();
  expect(one.of(statusWith(refused(3)))).toMatchObject({
    certificateExpiresAt: EXPIRES_AT.toISOString(),
    connected: false,
    failure: {
      reason: 'TCP_REFUSED',
      address: '198.18.2.2:1500',
      resolved: [],
      count: 3,
      at: '1970-01-01T00:00:01.000Z',
    },
  });
  expect(one.of(statusWith(null)).instanceId).not.toBe(report('x').of(statusWith(null)).instanceId);
});

test('what a name stood for here comes as soon as it is known, and is news', async () => {
  const answer = Promise.withResolvers<readonly string[]>();
  const named = report('staging.test', () => answer.promise);
  const status = statusWith(refused(1));
  expect(named.of(status).failure?.resolved).toEqual([]);
  const before = named.change(status);
  answer.resolve(['198.18.9.9']);
  await answer.promise;
  await Promise.resolve();
  expect(named.of(status).failure?.resolved).toEqual(['198.18.9.9']);
  expect(named.change(status)).not.toBe(before);
});

test('a name that stands for nothing has no addresses', async () => {
  const named = report('staging.test', () => Promise.reject(new Error('ENOTFOUND')));
  const status = statusWith(refused(1));
  named.of(status);
  await Promise.resolve();
  expect(named.of(status).failure?.resolved).toEqual([]);
});
