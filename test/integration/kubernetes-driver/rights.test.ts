// A controller without a right, or in a cluster without a kind that its settings need, goes on running, says in words what
// is missing, and begins when it is there.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ClusterArea, nameOf, type Controller } from './cluster-area.ts';
import { CONTROLLER_RULES, rulesWithout, ServiceAccount, TLS_ROUTE_RULE } from './service-account.ts';
import { installTlsRoutes, tlsRoutesOf } from './tls-route-kind.ts';

// What is missing is asked for again after 15 s at longest.
jest.setTimeout(240_000);

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** What `lms status` shows of the cluster, once it says this. */
async function waitForRow({ component }: Controller, healthy: boolean, saying: string): Promise<string> {
  let last = '';
  try {
    return await until(`the row to say "${saying}"`, async () => {
      const { component: own, dependencies } = await component.describeComponent({});
      const row = dependencies.find(({ name }) => name === 'kubernetes');
      last = `${row?.healthy}: ${row?.detail}`;
      // It answers agents and replication servers all the while: a restart would mend nothing.
      expect(own?.healthy).toBe(true);
      return row?.healthy === healthy && row.detail.includes(saying) && row.detail;
    });
  } catch (thrown) {
    throw new Error(`the row was at last ${last}`, { cause: thrown });
  }
}

async function waitForStatefulSet({ apps, namespace }: ClusterArea, machineId: string): Promise<void> {
  await until('the StatefulSet', () => apps.readNamespacedStatefulSet({ name: nameOf(machineId), namespace }));
}

test('a role with only the rights of the documentation is enough', async () => {
  await using area = await ClusterArea.create(server);
  const { kubeConfig } = await ServiceAccount.create(area, CONTROLLER_RULES);
  const controller = await area.startController({ kubeConfig });
  const machineId = await area.enrol('web-1');
  await waitForStatefulSet(area, machineId);
  await area.heartbeat(machineId, 12);
  await waitForRow(controller, true, 'leads');
  await controller.staging.removeStaging({ machineId });
  await until('nothing to be left', async () => {
    await area.collectGarbage(machineId);
    return (await area.kindsOf(machineId)).length === 0;
  });
});

test('without a right to see something nothing is made, it is said which one, and it goes on when it is granted', async () => {
  await using area = await ClusterArea.create(server);
  const account = await ServiceAccount.create(area, rulesWithout('secrets'));
  const controller = await area.startController({ kubeConfig: account.kubeConfig });
  const machineId = await area.enrol('web-1');
  const told = await waitForRow(controller, false, 'secrets are not watched');
  expect(told).toContain('cannot list resource "secrets"');
  expect(told).toContain('Grant get, list and watch of secrets in the Role');
  expect(await area.kindsOf(machineId)).toEqual([]);
  await account.grant(CONTROLLER_RULES);
  await waitForStatefulSet(area, machineId);
  await waitForRow(controller, true, 'leads');
});

test('without a right to write something its step fails with the reason, and the machine is tried again', async () => {
  await using area = await ClusterArea.create(server);
  const policies = {
    apiGroups: ['networking.k8s.io'],
    resources: ['networkpolicies'],
    verbs: ['get', 'list', 'watch'],
  };
  const account = await ServiceAccount.create(area, [...rulesWithout('networkpolicies'), policies]);
  const controller = await area.startController({ kubeConfig: account.kubeConfig });
  const machineId = await area.enrol('web-1');
  const told = await area.waitForStep(controller, machineId, 'CREATE_NETWORK_POLICY', 'FAILED', 'is forbidden');
  expect(told).toContain("Grant it in the release's Role");
  expect(await area.kindsOf(machineId)).toEqual([]);
  await account.grant(CONTROLLER_RULES);
  await waitForStatefulSet(area, machineId);
  await area.waitForStep(controller, machineId, 'CREATE_NETWORK_POLICY', 'SUCCEEDED');
});

test('without a right to the lease nobody leads, and it is said why', async () => {
  await using area = await ClusterArea.create(server);
  const account = await ServiceAccount.create(area, rulesWithout('leases'));
  const controller = await area.startController({ kubeConfig: account.kubeConfig });
  const told = await waitForRow(controller, false, 'the lease is not to be had');
  expect(told).toContain('Grant get, create and update of leases in the Role');
  await account.grant(CONTROLLER_RULES);
  await waitForRow(controller, true, 'leads');
});

test('a token that the API server does not know is told as that', async () => {
  await using area = await ClusterArea.create(server);
  const kubeConfig = server.configFor('of another cluster', area.namespace);
  const controller = await area.startController({ kubeConfig });
  const told = await waitForRow(controller, false, 'are not watched');
  expect(told).toContain("see the pod's service account");
});

test('tlsroute: without the kind it is said which definition is missing; with it each machine has its route', async () => {
  await using area = await ClusterArea.create(server);
  const account = await ServiceAccount.create(area, [...CONTROLLER_RULES, TLS_ROUTE_RULE]);
  const parentRefs = [
    { name: 'outer', sectionName: 'block-stream' },
    { name: 'inner', namespace: 'gateways' },
  ];
  const advertise = { public: { host: 'stream.example' }, private: { host: '10.0.0.15', port: 31_500 } };
  const settings = { exposure: { mode: 'tlsroute', parentRefs, advertise } };
  const controller = await area.startController({ kubeConfig: account.kubeConfig, settings });
  const machineId = await area.enrol('web-1');
  const told = await waitForRow(controller, false, 'no TLSRoute of gateway.networking.k8s.io/v1alpha2');
  expect(told).toContain('replication.exposure.mode');

  const admin = server.adminConfig(area.namespace);
  await installTlsRoutes(admin);
  await waitForStatefulSet(area, machineId);
  const routes = await tlsRoutesOf(admin, area.namespace);
  expect(routes).toHaveLength(1);
  expect(routes[0]).toMatchObject({
    metadata: { name: nameOf(machineId) },
    spec: {
      parentRefs,
      hostnames: [`${machineId}.block-stream.lms.internal`],
      rules: [{ backendRefs: [{ name: nameOf(machineId), port: 1500 }] }],
    },
  });
  const replicationServer = `rs-${machineId}`;
  const ready = { replicationServer, address: 'pod', port: 1500, freeBytes: 0n, version: '1', interfaceAddresses: [] };
  await controller.staging.reportReady(ready);
  const { endpoint, alternatives } = await controller.staging.getEndpoint({ machineId });
  expect([endpoint?.host, ...alternatives.map(({ host }) => host)]).toEqual(['stream.example', '10.0.0.15']);

  await controller.staging.removeStaging({ machineId });
  await until('the route to be gone', async () => (await tlsRoutesOf(admin, area.namespace)).length === 0);

  // Another exposure takes away what this one made.
  const other = await area.enrol('web-2');
  await until('its route', async () => (await tlsRoutesOf(admin, area.namespace)).length === 1);
  await controller.stop();
  const next = await area.startController({ kubeConfig: account.kubeConfig });
  await until('no route', async () => (await tlsRoutesOf(admin, area.namespace)).length === 0);
  await waitForStatefulSet(area, other);
  await next.stop();
  // And one that has no right to any looks for none.
  await account.grant(CONTROLLER_RULES);
  await waitForRow(await area.startController({ kubeConfig: account.kubeConfig }), true, 'leads');
});
