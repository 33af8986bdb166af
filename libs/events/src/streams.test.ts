import { expect, test } from '@jest/globals';
import { LmsError } from '@lms/errors';
import { createLogger } from '@lms/telemetry';
import type { EventConnection } from './connection.ts';
import { ensureStream, EVENT_STREAM } from './streams.ts';

test('a stream is made at the start, and again when it was lost while NATS was away, however often that fails at first', async () => {
  const done = Promise.withResolvers<void>();
  const added: string[] = [];
  let failures = 0;
  let reconnected = (): void => undefined;
  const streams = {
    names: () => ({ next: () => Promise.resolve([]) }),
    add: ({ name }: { readonly name: string }) => {
      if (failures > 0) {
        failures -= 1;
        return Promise.reject(new LmsError('DEADLINE_EXCEEDED', 'no leader yet'));
      }
      added.push(name);
      if (added.length === 2) done.resolve();
      return Promise.resolve();
    },
  };
  // What it uses of a connection.
  const connection = {
    manager: { streams },
    replicas: 3,
    givenUp: new AbortController().signal,
    logger: createLogger('test', { destination: { write: () => undefined } }),
    onReconnect: (listener: () => void) => {
      reconnected = listener;
      return () => undefined;
    },
  } as unknown as EventConnection;

  failures = 1;
  await ensureStream(connection, EVENT_STREAM);
  failures = 2;
  reconnected();
  await done.promise;
  expect([added, failures]).toEqual([['LMS_EVENTS', 'LMS_EVENTS'], 0]);
});
