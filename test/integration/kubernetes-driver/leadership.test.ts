// Of two controllers exactly one acts; when it is gone, or cut off from the API server, the other does; and both answer.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CoordinationV1Api, type V1LeaseSpec } from '@kubernetes/client-node';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ClusterArea, FULL_NAME, nameOf, RUNNING } from './cluster-area.ts';
import { configBy, portOf, Way } from './way.ts';

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function leaseOf({ namespace }: ClusterArea): Promise<V1LeaseSpec | undefined> {
  const leases = server.adminConfig(namespace).makeApiClient(CoordinationV1Api);
  const lease = await leases.readNamespacedLease({ name: `${FULL_NAME}-staging-controller`, namespace });
  return lease.spec;
}

async function holderOf(area: ClusterArea): Promise<string | undefined> {
  return (await leaseOf(area))?.holderIdentity;
}

async function hasStatefulSet({ apps, namespace }: ClusterArea, machineId: string): Promise<boolean> {
  const { items } = await apps.listNamespacedStatefulSet({ namespace });
  return items.some(({ metadata }) => metadata?.name === nameOf(machineId));
}

test('a controller that stops hands over at once; both answer what either was told', async () => {
  await using area = await ClusterArea.create(server);
  const first = await area.startController({ identity: 'first' });
  await until('the first to lead', async () => (await holderOf(area)) === 'first');
  const second = await area.startController({ identity: 'second' });
  const machineId = await area.enrol('web-1');
  await until('the StatefulSet', () => hasStatefulSet(area, machineId));
  await area.makePod(machineId, RUNNING);

  // The replication server calls the one that does not lead.
  const replicationServer = `rs-${machineId}`;
  await second.staging.reportReady({
    replicationServer,
    address: 'pod',
    port: 1500,
    freeBytes: 0n,
    version: '1',
    interfaceAddresses: [],
  });
  await area.waitForStep(first, machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
  await area.waitForStep(second, machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
  for (const { staging } of [first, second]) {
    const { servers } = await until('both to know that it is ready', async () => {
      const answer = await staging.listReadyServers({});
      return answer.servers.length > 0 && answer;
    });
    expect(servers).toEqual([{ replicationServer, address: 'stream.example', port: 31_500 }]);
  }

  // It has been the first's all the time.
  expect(await leaseOf(area)).toMatchObject({ holderIdentity: 'first', leaseTransitions: 0 });
  await first.stop();
  await until('the second to lead', async () => (await holderOf(area)) === 'second');
  const next = await area.enrol('web-2');
  await until('the next StatefulSet', () => hasStatefulSet(area, next));
});

test('a controller that is cut off stops acting before the other begins, and does not act when it is back', async () => {
  await using area = await ClusterArea.create(server);
  await using way = await Way.to(() => portOf(server));
  const kubeConfig = configBy(server, area.namespace, `https://127.0.0.1:${way.port}`);
  const first = await area.startController({ identity: 'first', kubeConfig });
  await until('the first to lead', async () => (await holderOf(area)) === 'first');
  const second = await area.startController({ identity: 'second' });
  way.cut();
  await until('the second to lead', async () => (await holderOf(area)) === 'second');
  const row = async () =>
    (await first.component.describeComponent({})).dependencies.find(({ name }) => name === 'kubernetes');
  expect(await row()).toMatchObject({ healthy: false });
  const machineId = await area.enrol('web-1');
  await until('the StatefulSet', () => hasStatefulSet(area, machineId));
  way.mend();
  await until('the first to see the cluster again', async () => (await row())?.healthy === true);
  expect((await row())?.detail).toBe('second leads');
  await second.stop();
  await until('the first to lead again', async () => (await holderOf(area)) === 'first');
});

test('a controller that leads a second time, with nothing to do meanwhile, acts as it did the first time', async () => {
  await using area = await ClusterArea.create(server);
  await using way = await Way.to(() => portOf(server));
  const kubeConfig = configBy(server, area.namespace, `https://127.0.0.1:${way.port}`);
  await area.startController({ identity: 'first', kubeConfig });
  await until('the first to lead', async () => (await holderOf(area)) === 'first');
  const second = await area.startController({ identity: 'second' });
  way.cut();
  await until('the second to lead', async () => (await holderOf(area)) === 'second');
  way.mend();
  await second.stop();
  await until('the first to lead again', async () => (await holderOf(area)) === 'first');
  const machineId = await area.enrol('web-1');
  await until('the StatefulSet', () => hasStatefulSet(area, machineId));
});
