// The table of the page that this product takes its shape from, and what it adds.

import { expect, test } from '@jest/globals';
import { DRIVERS, FLOWS, PROVIDER_ENDPOINTS, portRows } from './index.ts';

/** client, direction, port, peer, traffic, networks: as the page has them. */
const OF_THE_PAGE = [
  'agent egress tcp 1500 replication-server data public+private',
  'replication-server ingress tcp 1500 agent data public+private',
  'agent egress tcp 443 manager management public+private',
  'replication-server egress tcp 443 manager management public+private',
  'manager ingress tcp 443 agent management public+private',
  'manager ingress tcp 443 replication-server management public+private',
];

test('every row of the page is there, at both of its ends', () => {
  const rows = portRows()
    .filter(({ routes }) => routes.includes('direct'))
    .map(({ client, direction, protocols, port, peer, traffic, networks }) =>
      [client, direction, protocols.join('+'), port, peer, traffic, networks.join('+')].join(' '),
    );
  expect(rows).toEqual(expect.arrayContaining(OF_THE_PAGE));
});

test('nothing connects to agents, and a replication server takes nothing but block streams', () => {
  const ingress = portRows().filter(({ direction }) => direction === 'ingress');
  expect(ingress.filter(({ client }) => client === 'agent')).toEqual([]);
  const taken = ingress
    .filter(({ client }) => client === 'replication-server')
    .map(({ port, traffic }) => [port, traffic]);
  expect(taken).toEqual([
    [1500, 'data'],
    [1500, 'data'],
  ]);
});

test('by a proxy nobody but the proxy reaches the manager, and 1500 goes past it unless it goes by one too', () => {
  const byProxy = FLOWS.filter(
    ({ routes, neededBy }) => routes.includes('proxy') && neededBy.length === DRIVERS.length,
  );
  expect(byProxy.filter(({ to }) => to === 'manager').map(({ from }) => from)).toEqual(['proxy']);
  const data = FLOWS.filter(({ traffic }) => traffic === 'data').map(({ from, to, routes }) => [from, to, ...routes]);
  expect(data).toEqual([
    ['agent', 'replication-server', 'direct'],
    ['agent', 'proxy', 'proxy'],
    ['proxy', 'replication-server', 'proxy'],
  ]);
});

test('addresses of clouds that the page names are there, and no driver needs one', () => {
  const hosts = PROVIDER_ENDPOINTS.map(({ provider, host }) => `${provider} ${host}`);
  expect(hosts).toEqual(
    expect.arrayContaining([
      'aws ec2.{region}.amazonaws.com',
      'aws s3.amazonaws.com',
      'aws s3.{region}.amazonaws.com',
      'azure login.microsoftonline.com',
      'azure management.azure.com',
      'azure {account}.blob.core.windows.net',
    ]),
  );
  for (const { neededBy, because } of PROVIDER_ENDPOINTS) expect([neededBy.length, because === '']).toEqual([0, false]);
  const circumstances = PROVIDER_ENDPOINTS.filter(({ neededWhen }) => neededWhen !== null);
  expect(new Set(circumstances.map(({ purpose }) => purpose))).toEqual(new Set(['download of the agent']));
});
