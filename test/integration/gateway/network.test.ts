// GET /v1/network: what an installation tells of itself, from which firewalls are set up.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { NetworkAnswer } from '@lms/api';
import { AddressKind } from '@lms/proto';
import { TestGateway, never } from '../harness/gateway.ts';

jest.setTimeout(120_000);

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const ID = 'm-0123456789abcdef0123';

test('addresses of all, addresses of machines that have others, and the ports that follow from them', async () => {
  gateway.staging.networks = [
    { machineId: ID, addresses: [{ kind: AddressKind.PRIVATE, host: '10.20.0.9', port: 31_500 }] },
  ];
  const network = await gateway.operator.network(never);
  expect(network).toMatchObject({
    driver: 'kubernetes',
    managerUrl: gateway.url,
    consoleUrl: gateway.url,
    blockStream: [{ kind: 'public', host: '198.51.100.9', port: 1500 }],
    machines: [{ id: ID, blockStream: [{ kind: 'private', host: '10.20.0.9', port: 31_500 }] }],
    stagingProxyUrl: null,
  });
  const row = (client: string, peer: string, direction = 'egress') =>
    network.ports.find((one) => one.client === client && one.peer === peer && one.direction === direction);
  expect(row('agent', 'replication-server')).toMatchObject({
    ports: [1500, 31_500],
    addresses: ['198.51.100.9', '10.20.0.9'],
    traffic: 'data',
  });
  const { port, hostname } = new URL(gateway.url);
  expect(row('agent', 'manager')).toMatchObject({ ports: [Number(port)], addresses: [hostname] });
  expect(row('manager', 'agent', 'ingress')).toMatchObject({ ports: [Number(port)], addresses: [] });
  expect(row('replication-server', 'proxy')).toMatchObject({ ports: [], addresses: [] });
  expect(network.clouds.some(({ needed }) => needed)).toBe(false);
});

test('the proxy of the staging area is the one of the Replication Settings; its password is not told', async () => {
  const stagingProxy = { url: 'http://proxy.example.com:3128', username: 'lms', password: 'secret word' };
  const set = await gateway.send('PATCH', '/v1/settings', { token: gateway.apiToken, body: { stagingProxy } });
  expect(set.status).toBe(200);
  const { status, body } = await gateway.send('GET', '/v1/network', { token: gateway.apiToken });
  expect(status).toBe(200);
  const { stagingProxyUrl, ports } = NetworkAnswer.parse(body);
  expect(stagingProxyUrl).toBe('http://proxy.example.com:3128');
  const rows = ports.filter(
    ({ peer, direction, traffic }) => peer === 'proxy' && direction === 'egress' && traffic === 'management',
  );
  expect(rows.map(({ client, ports: numbers, addresses }) => [client, numbers, addresses])).toEqual([
    // Which one an agent goes by, only the agent knows.
    ['agent', [], []],
    ['replication-server', [3128], ['proxy.example.com']],
  ]);
  expect(JSON.stringify(body)).not.toContain('secret word');
});

test('it is for operators', async () => {
  expect((await gateway.send('GET', '/v1/network')).status).toBe(401);
});
