// Every kind is listed once and then watched: what happens meanwhile is seen without another list, and what happened while
// the API server was away is seen when it is back, also when it has forgotten what it last told.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ApiProxy, type ApiRequest } from './api-proxy.ts';
import { ClusterArea, nameOf } from './cluster-area.ts';
import { configBy, portOf, Way } from './way.ts';

// An API server that was away is asked again after 15 s at longest.
jest.setTimeout(240_000);

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function uidOfService({ core, namespace }: ClusterArea, machineId: string): Promise<string | undefined> {
  return (await core.readNamespacedService({ name: nameOf(machineId), namespace })).metadata?.uid;
}

test('one list and one watch of each kind, however much happens, and no call for what is as it should be', async () => {
  await using area = await ClusterArea.create(server);
  await using proxy = await ApiProxy.to(server);
  const kubeConfig = configBy(server, area.namespace, proxy.url);
  const first = await area.startController({ kubeConfig });
  const machineIds = [await area.enrol('web-1'), await area.enrol('web-2')];
  for (const machineId of machineIds) {
    await until('its objects', async () => (await area.kindsOf(machineId)).includes('StatefulSet'));
  }
  const [watched = ''] = machineIds;
  const before = await uidOfService(area, watched);
  await area.core.deleteNamespacedService({ name: nameOf(watched), namespace: area.namespace });
  await until('another service', async () => (await uidOfService(area, watched)) !== before);
  const isReading = ({ method, path }: ApiRequest): boolean =>
    method === 'GET' && path.includes('/namespaces/') && !path.includes('/leases');
  const readings = proxy.seen.filter(isReading);
  const counts = Object.groupBy(readings, ({ path }) => path.split('/').at(-1) ?? '');
  expect(Object.fromEntries(Object.entries(counts).map(([kind, all]) => [kind, all?.length]))).toEqual({
    events: 2,
    networkpolicies: 2,
    persistentvolumeclaims: 2,
    pods: 2,
    secrets: 2,
    services: 2,
    statefulsets: 2,
  });
  await first.stop();

  // A restart reads everything once, and writes nothing.
  proxy.seen.length = 0;
  const second = await area.startController({ kubeConfig });
  await until('it to lead and to have looked', async () => {
    const { dependencies } = await second.component.describeComponent({});
    const row = dependencies.find(({ name }) => name === 'replication-server');
    return row?.detail.includes('2 of 2 do not run');
  });
  const third = await area.enrol('web-3');
  await until('the objects of one more', async () => (await area.kindsOf(third)).includes('StatefulSet'));
  const written = proxy.seen.filter(({ writes, path }) => writes && !path.includes(third));
  expect(written).toEqual([]);
});

test('what vanished while the API server was away, and is forgotten by it, is made again', async () => {
  await using area = await ClusterArea.create(server);
  await using way = await Way.to(() => portOf(server));
  const kubeConfig = configBy(server, area.namespace, `https://127.0.0.1:${way.port}`);
  const controller = await area.startController({ kubeConfig });
  const machineId = await area.enrol('web-1');
  await until('its objects', async () => (await area.kindsOf(machineId)).includes('StatefulSet'));
  const before = await uidOfService(area, machineId);
  way.cut();
  await area.core.deleteNamespacedService({ name: nameOf(machineId), namespace: area.namespace });
  // Its memory of what was told begins anew: who asks for what came after an older version is refused (410).
  await server.kill();
  await server.restart();
  way.mend();
  await until('another service', async () => (await uidOfService(area, machineId)) !== before);
  await until('all kinds to be watched again', async () => {
    const { dependencies } = await controller.component.describeComponent({});
    return dependencies.find(({ name }) => name === 'kubernetes')?.healthy;
  });
});
