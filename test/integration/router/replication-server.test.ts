/** A replication server as it runs in a pod: behind the router, asked by a kubelet for its health. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { findFreePort } from '../../harness/free-port.ts';
import { HealthClient } from '../harness/health-client.ts';
import { until } from '../harness/until.ts';
import { ManagerDouble } from '../replication-server/manager-double.ts';
import { connectAgent, DISK_BLOCKS, DISK_BYTES, ServerProcess } from '../replication-server/server-process.ts';
import { route, RouterFixture } from './router-fixture.ts';

jest.setTimeout(120_000);

const MACHINE_ID = 'm-0123456789abcdef0123';
const MACHINE = {
  machineId: MACHINE_ID,
  name: 'machine',
  settings: { retention: [{ everySeconds: 1, keepSeconds: 3_600 }], floorBytes: 16 * 1024 * 1024 },
};

let fixture: RouterFixture;
let manager: ManagerDouble;
let server: ServerProcess;
let health: HealthClient;

beforeAll(async () => {
  fixture = await RouterFixture.start();
  manager = await ManagerDouble.create();
  fixture.cleanup.add('close the manager', () => manager[Symbol.asyncDispose]());
  manager.assign([MACHINE]);
  const healthAddress = `127.0.0.1:${await findFreePort()}`;
  server = await ServerProcess.start(manager, fixture.folder, ['--proxy-protocol', 'required'], {
    LMS_HEALTH_LISTEN: healthAddress,
  });
  fixture.cleanup.add('end the replication server', () => server[Symbol.asyncDispose]());
  health = new HealthClient(healthAddress);
  fixture.cleanup.add('close the client', () => health.close());
  fixture.staging.set(route(MACHINE_ID, await server.port()));
  await fixture.ready();
});
afterAll(async () => {
  expect(await fixture.cleanup.run()).toEqual([]);
});

test('an agent replicates through the router, and the log of the replication server has its own address', async () => {
  using agent = await until('it is assigned', () => connectAgent(manager, MACHINE_ID, fixture.port));
  await agent.write(randomBytes(DISK_BYTES), 0, 10);
  await agent.zero(10, 20);
  await agent.write(randomBytes(DISK_BYTES), 30, DISK_BLOCKS - 30);
  expect(await agent.checkpoint('c-1', 1)).toBe(1);
  agent.connection.close();
  const { source } = await until('the router tells of it', () =>
    fixture
      .connectionLogs()
      .findLast(({ outcome, serverName }) => outcome === 'routed' && serverName.includes(MACHINE_ID)),
  );
  const addresses = server.lines.filter((line) => line['message'] === 'agent connected').map((line) => line['address']);
  expect(addresses).toContain(source);
});

test('past the router nobody gets in', async () => {
  await expect(connectAgent(manager, MACHINE_ID, await server.port())).rejects.toThrow();
  await until('it says why', () =>
    server.lines.find((line) => String(line['reason']).startsWith('the PROXY header does not begin with one')),
  );
});

test('it is ready as long as agents can come, also while the manager is away', async () => {
  await until('it is ready', async () => (await health.status('readiness')) === 'SERVING');
  const { comeBack } = await manager.goAway();
  await until('it has noticed', () => server.find('the manager does not answer'));
  expect(await health.status('readiness')).toBe('SERVING');
  using agent = await connectAgent(manager, MACHINE_ID, fixture.port);
  expect(agent.answer.lastMark).not.toBeNull();
  await comeBack();
  expect(await health.status('liveness')).toBe('SERVING');
  expect(await server.end('SIGTERM')).toBe(0);
});
