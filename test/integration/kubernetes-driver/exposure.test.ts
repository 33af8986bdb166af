// What agents and routers are told, per way of exposing 1500, comes from what the cluster shows.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LmsError } from '@lms/errors';
import type { Route } from '@lms/proto';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ClusterArea, nameOf, RUNNING, type Controller } from './cluster-area.ts';

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function makeReady(area: ClusterArea, { staging }: Controller, machineId: string): Promise<void> {
  const name = nameOf(machineId);
  await until('the StatefulSet', () => area.apps.readNamespacedStatefulSet({ name, namespace: area.namespace }));
  const replicationServer = `rs-${machineId}`;
  await staging.reportReady({
    replicationServer,
    address: 'pod',
    port: 1500,
    freeBytes: 0n,
    version: '1',
    interfaceAddresses: [],
  });
}

/** In the order in which agents try them; null: there is none. */
async function endpointOf({ staging }: Controller, machineId: string): Promise<string | null> {
  const { endpoint, alternatives } = await staging.getEndpoint({ machineId });
  if (endpoint === undefined) return null;
  return [endpoint, ...alternatives].map(({ host, port }) => `${host}:${port}`).join(' ');
}

/** As the cluster's controller of load balancers does. */
async function giveAddress({ core, namespace }: ClusterArea, name: string, ip: string): Promise<void> {
  const service = await core.readNamespacedService({ name, namespace });
  service.status = { loadBalancer: { ingress: [{ ip }] } };
  await core.replaceNamespacedServiceStatus({ name, namespace, body: service });
}

test('loadBalancer: agents are told the address that the load balancer got, and none before', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const controller = await area.startController({ settings: { exposure: { mode: 'loadBalancer' } } });
  const machineId = await area.enrol('web-1');
  await makeReady(area, controller, machineId);
  expect(await endpointOf(controller, machineId)).toBeNull();
  const name = `${nameOf(machineId)}-public`;
  const service = await core.readNamespacedService({ name, namespace });
  expect(service.spec).toMatchObject({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
  await giveAddress(area, name, '192.0.2.7');
  await until('the address', async () => (await endpointOf(controller, machineId)) === '192.0.2.7:1500');
});

test('loadBalancer, public and private at once: agents are told both, and one Service can go without the other', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const internal = { annotations: { 'cloud.example/internal': 'true' }, loadBalancerClass: 'cloud.example/internal' };
  const exposure = { mode: 'loadBalancer', public: {}, private: internal };
  const first = await area.startController({ settings: { exposure } });
  const machineId = await area.enrol('web-1');
  await makeReady(area, first, machineId);
  const [outer, inner] = [`${nameOf(machineId)}-public`, `${nameOf(machineId)}-private`];
  const { metadata, spec } = await core.readNamespacedService({ name: inner, namespace });
  expect(metadata?.annotations).toMatchObject(internal.annotations);
  expect(spec).toMatchObject({ type: 'LoadBalancer', loadBalancerClass: internal.loadBalancerClass });
  const made = (await core.readNamespacedService({ name: outer, namespace })).metadata;
  expect(made?.annotations).not.toHaveProperty(['cloud.example/internal']);

  await giveAddress(area, inner, '10.9.9.9');
  await until('the private address alone', async () => (await endpointOf(first, machineId)) === '10.9.9.9:1500');
  await giveAddress(area, outer, '192.0.2.7');
  const both = '192.0.2.7:1500 10.9.9.9:1500';
  await until('both, the public one first', async () => (await endpointOf(first, machineId)) === both);
  await first.stop();

  const second = await area.startController({ settings: { exposure: { ...exposure, prefer: 'private' } } });
  const turned = '10.9.9.9:1500 192.0.2.7:1500';
  await until('the private one first', async () => (await endpointOf(second, machineId)) === turned);
  await second.stop();

  const third = await area.startController({ settings: { exposure: { mode: 'loadBalancer', private: internal } } });
  await until('the public Service to be gone', async () => {
    const { items } = await core.listNamespacedService({ namespace });
    return items.every((service) => service.metadata?.name !== outer);
  });
  expect(await endpointOf(third, machineId)).toBe('10.9.9.9:1500');
  const kept = await core.readNamespacedService({ name: inner, namespace });
  expect(kept.metadata?.uid).toBe(metadata?.uid);
});

test('nodePort, public and private at once: two addresses of the nodes, one port', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const advertise = { public: { host: 'nodes.example' }, private: { host: '10.0.0.15' } };
  const controller = await area.startController({ settings: { exposure: { mode: 'nodePort', advertise } } });
  const machineId = await area.enrol('web-1');
  await makeReady(area, controller, machineId);
  const { spec } = await core.readNamespacedService({ name: `${nameOf(machineId)}-public`, namespace });
  const port = spec?.ports?.[0]?.nodePort;
  const both = `nodes.example:${port} 10.0.0.15:${port}`;
  await until('both addresses', async () => (await endpointOf(controller, machineId)) === both);
});

test('nodePort: the port that the API server gave, and the address of the settings; then the mode changes', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const settings = { exposure: { mode: 'nodePort', advertise: { host: 'nodes.example' } } };
  const first = await area.startController({ settings });
  const machineId = await area.enrol('web-1');
  await makeReady(area, first, machineId);
  const name = `${nameOf(machineId)}-public`;
  const { spec } = await core.readNamespacedService({ name, namespace });
  const nodePort = spec?.ports?.[0]?.nodePort;
  await until('the port', async () => (await endpointOf(first, machineId)) === `nodes.example:${nodePort}`);
  await first.stop();

  const second = await area.startController();
  await until(
    'the address of the router',
    async () => (await endpointOf(second, machineId)) === 'stream.example:31500',
  );
  await until('the address of its own to be gone', async () => {
    const { items } = await core.listNamespacedService({ namespace });
    return items.every(({ metadata }) => metadata?.name !== name);
  });
});

test('a router is told all routes first, then each change, and forgets a machine that is removed', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const controller = await area.startController();
  const first = await area.enrol('web-1');
  await makeReady(area, controller, first);
  const routes = new Map<string, Route>();
  let complete = 0;
  const giveUp = new AbortController();
  const following = (async () => {
    for await (const told of controller.staging.watchRoutes({}, { signal: giveUp.signal })) {
      for (const route of told.routes) routes.set(route.machineId, route);
      for (const machineId of told.removedMachineIds) routes.delete(machineId);
      if (told.complete) complete += 1;
    }
  })();
  const ended = following.then(
    () => 'in order',
    (thrown: unknown) => (thrown instanceof LmsError ? thrown.code : 'otherwise'),
  );
  await until('the first picture', () => complete > 0);
  const host = `${nameOf(first)}.${namespace}.svc`;
  expect([...routes.values()]).toEqual([{ machineId: first, host, port: 1500, address: '' }]);
  await area.makePod(first, RUNNING);
  await until('the address of its pod', () => routes.get(first)?.address === '10.1.2.3');
  const second = await area.enrol('web-2');
  await until('the second machine', () => routes.has(second));

  await core.deleteNamespacedPod({ name: `${nameOf(first)}-0`, namespace, gracePeriodSeconds: 0 });
  await until('no address without a pod', () => routes.get(first)?.address === '');
  await controller.staging.removeStaging({ machineId: first });
  await until('the removed machine to be gone', () => !routes.has(first));
  expect([...routes.keys()]).toEqual([second]);
  giveUp.abort();
  expect(await ended).toBe('CANCELLED');
});
