// Each service is a process of its own; one that is killed shows in status, alone, and comes back.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import { TestNatsServer } from '../harness/nats-server.ts';
import { ServiceProcesses, SERVICES } from '../harness/service-processes.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

const TEST_MILLISECONDS = 180_000;

const folder = await TemporaryFolder.create();
const cleanup = new Cleanup();
let nats: TestNatsServer;
let services: ServiceProcesses;

beforeAll(async () => {
  nats = await TestNatsServer.start();
  services = await ServiceProcesses.start(folder.path, nats, cleanup);
}, TEST_MILLISECONDS);
afterAll(async () => {
  const problems = await cleanup.run();
  await nats[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  expect(problems).toEqual([]);
}, TEST_MILLISECONDS);

const allHealthy = () =>
  until('all are healthy', async () => {
    const status = await services.status();
    return status.healthy && status;
  });

test(
  'every service runs in its own process and says which',
  async () => {
    const { components } = await allHealthy();
    const pids = new Map(components.map(({ name, pid }) => [name, pid]));
    for (const name of SERVICES) expect([name, pids.get(name)]).toEqual([name, services.process(name).pid]);
    expect(new Set(pids.values()).size).toBe(components.length);
  },
  TEST_MILLISECONDS,
);

/** Rows that are told by the service that is killed are not known either. */
const KILLED = [
  { name: 'stats-ingest', rows: ['stats-ingest'] },
  { name: 'log-ingest', rows: ['log-ingest'] },
  { name: 'staging-controller', rows: ['staging-controller', 'replication-server'] },
  { name: 'registry', rows: ['nats', 'registry'] },
] as const;

test.each(KILLED)(
  '$name that is killed shows in status, and nothing else does that does not hang on it',
  async ({ name, rows }) => {
    await allHealthy();
    await services.process(name).kill();
    const { components } = await until(`status shows ${name}`, async () => {
      const status = await services.status();
      return !status.healthy && status;
    });
    expect(components.filter(({ healthy }) => !healthy).map((row) => row.name)).toEqual(rows);
    await services.startService(name);
    const { components: after } = await allHealthy();
    expect(after.find((row) => row.name === name)?.pid).toBe(services.process(name).pid);
  },
  TEST_MILLISECONDS,
);

test(
  'the gateway that is killed comes back on its port, with a certificate of the same CA',
  async () => {
    await services.process('gateway').kill();
    await expect(services.status()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await services.startService('gateway');
    await allHealthy();
  },
  TEST_MILLISECONDS,
);

test(
  'NATS that is away shows in every service that needs it, and all go on when it is back',
  async () => {
    await nats.kill();
    const { components } = await until('status shows NATS', async () => {
      const status = await services.status();
      return !status.healthy && status;
    });
    expect(components.find(({ name }) => name === 'nats')?.healthy).toBe(false);
    await nats.start();
    await allHealthy();
  },
  TEST_MILLISECONDS,
);
