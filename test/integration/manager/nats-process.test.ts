import { expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { EventConnection } from '@lms/events';
import { createLogger } from '@lms/telemetry';
import { NatsProcess } from '../../../services/manager/src/nats-process.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

const never = new AbortController().signal;

test('nats-server is started again on the same port when it dies, with what it had stored', async () => {
  await using folder = await TemporaryFolder.create();
  const nats = new NatsProcess(folder.path, createLogger('test'));
  await nats.start(never);
  try {
    const connection = await EventConnection.connect(nats.options, 'test', never);
    try {
      await connection.manager.streams.add({ name: 'KEPT', subjects: ['kept.>'] });
      await connection.jetstream.publish('kept.a', 'what was acknowledged');
      const { servers } = nats.options;
      const pid = Number(await readFile(nats.pidFile, 'utf8'));
      process.kill(pid, 'SIGKILL');
      await until(
        'another nats-server',
        async () => Number(await readFile(nats.pidFile, 'utf8')) !== pid && nats.health().healthy,
      );
      expect(nats.options.servers).toEqual(servers);
      const stored = await until('the stream', () => connection.manager.streams.getMessage('KEPT', { seq: 1 }));
      expect(stored.string()).toBe('what was acknowledged');
    } finally {
      await connection.close();
    }
  } finally {
    await nats.stop();
  }
  expect(nats.health().healthy).toBe(false);
});

test('nobody gets in without the password of the data folder', async () => {
  await using folder = await TemporaryFolder.create();
  const nats = new NatsProcess(folder.path, createLogger('test'));
  await nats.start(never);
  try {
    const tried = EventConnection.connect({ ...nats.options, password: 'guessed' }, 'test', AbortSignal.timeout(1000));
    await expect(tried).rejects.toThrow();
  } finally {
    await nats.stop();
  }
});
