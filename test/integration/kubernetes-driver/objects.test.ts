// A machine gets its objects, and they stay as they are to be, whoever touches them.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ClusterArea, nameOf, RUNNING } from './cluster-area.ts';

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

test('a machine gets a volume claim, a secret, a service, a network policy and a pod that Pod Security lets pass', async () => {
  await using area = await ClusterArea.create(server);
  const { namespace, core, apps, networking } = area;
  const controller = await area.startController();
  const machineId = await area.enrol('web-1', 10);
  const name = nameOf(machineId);
  const set = await until('the StatefulSet', () => apps.readNamespacedStatefulSet({ name, namespace }));
  const claim = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  const service = await core.readNamespacedService({ name, namespace });
  const policy = await networking.readNamespacedNetworkPolicy({ name, namespace });
  const secret = await core.readNamespacedSecret({ name, namespace });
  const owner = { 'live-migration-service/machine-id': machineId, 'app.kubernetes.io/instance': 'mig' };
  for (const { metadata } of [set, claim, service, policy, secret]) expect(metadata?.labels).toMatchObject(owner);

  // 10 GiB × 1.5 + 1 GiB.
  expect(claim.spec?.resources?.requests?.['storage']).toBe('16Gi');
  expect(claim.spec?.storageClassName).toBe('fast');
  expect(service.spec).toMatchObject({ clusterIP: 'None', ports: [{ port: 1500 }] });
  expect(policy.spec?.policyTypes).toEqual(['Ingress', 'Egress']);
  expect(Buffer.from(secret.data?.['token'] ?? '', 'base64').toString()).toMatch(/^lms_server_/);
  const environment = new Map(set.spec?.template.spec?.containers[0]?.env?.map(({ name: key, value }) => [key, value]));
  expect(environment.get('LMS_REPLICATION_SERVER_NAME')).toBe(`rs-${machineId}`);
  expect(environment.get('LMS_PROXY_PROTOCOL')).toBe('required');
  const { caSha256 } = await (await area.registry.client('gateway')).getTrust({});
  expect(environment.get('LMS_MANAGER_CA_SHA256')).toBe(caSha256);
  await area.waitForStep(controller, machineId, 'CREATE_NETWORK_POLICY', 'SUCCEEDED');

  // The API server enforces "restricted" in this namespace: it would refuse the pod.
  await area.makePod(machineId, RUNNING);
  await controller.staging.reportReady({
    replicationServer: `rs-${machineId}`,
    address: 'anything',
    port: 1500,
    freeBytes: 0n,
    version: '1.0.0',
    interfaceAddresses: [],
  });
  await area.waitForStep(controller, machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
  const { endpoint } = await controller.staging.getEndpoint({ machineId });
  expect(endpoint).toEqual({
    host: 'stream.example',
    port: 31_500,
    serverName: `${machineId}.block-stream.lms.internal`,
  });
  await until('the token is gone when it is not needed any more', async () => {
    const { data, metadata } = await core.readNamespacedSecret({ name, namespace });
    const token = Buffer.from(data?.['token'] ?? '', 'base64').toString();
    return token === 'spent' && metadata?.annotations?.['live-migration-service/enrolled'] === 'true';
  });
});

// No storage class of the clusters that tests run on can expand a volume. What is asserted is what the API server itself
// checks and takes: that a bound claim of a class that says it can asks for more, and one of a class that cannot is refused.
test('a volume claim grows with the source, and never shrinks', async () => {
  await using area = await ClusterArea.create(server);
  const { namespace, core, storage } = area;
  const controller = await area.startController({ settings: { storage: { className: `grows-${namespace}` } } });
  const metadata = { name: `grows-${namespace}` };
  await storage.createStorageClass({ body: { metadata, provisioner: 'test', allowVolumeExpansion: true } });
  const machineId = await area.enrol('grows', 10);
  const name = nameOf(machineId);
  const requested = async (): Promise<string | undefined> => {
    const { spec } = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
    return spec?.resources?.requests?.['storage'];
  };
  await until('a claim of 16 GiB', async () => (await requested()) === '16Gi');
  await bind(area, name);
  await area.heartbeat(machineId, 20);
  await until('a claim of 31 GiB', async () => (await requested()) === '31Gi');
  await area.heartbeat(machineId, 5);
  await area.heartbeat(machineId, 21);
  await until('a claim of 32.5 GiB', async () => (await requested()) === '33280Mi');
  await controller.stop();
});

test('a volume that cannot grow is told about, and holds up nothing else of its machine', async () => {
  await using area = await ClusterArea.create(server);
  const { namespace, apps, storage } = area;
  const className = `fixed-${namespace}`;
  const fixed = { metadata: { name: className }, provisioner: 'test', allowVolumeExpansion: false };
  await storage.createStorageClass({ body: fixed });
  const settings = { storage: { className } };
  const first = await area.startController({ settings });
  const machineId = await area.enrol('fixed', 10);
  const name = nameOf(machineId);
  await until('the StatefulSet', () => apps.readNamespacedStatefulSet({ name, namespace }));
  await bind(area, name);
  await area.makePod(machineId, RUNNING);
  await area.heartbeat(machineId, 20);
  await until('the reason in the status', async () => {
    const { dependencies } = await first.component.describeComponent({});
    return dependencies.some(({ detail }) => detail.includes('Set allowVolumeExpansion on its storage class'));
  });
  await first.stop();
  const image = 'registry.example/lms/replication-server:2.0.0';
  await area.startController({ settings: { ...settings, replicationServer: { image } } });
  await until('the new image', async () => {
    const { spec } = await apps.readNamespacedStatefulSet({ name, namespace });
    return spec?.template.spec?.containers[0]?.image === image;
  });
});

test('what somebody else changes or deletes is put right', async () => {
  await using area = await ClusterArea.create(server);
  const { namespace, core, apps } = area;
  await area.startController();
  const machineId = await area.enrol('web-1');
  const name = nameOf(machineId);
  const image = async (): Promise<string | undefined> => {
    const set = await apps.readNamespacedStatefulSet({ name, namespace });
    return set.spec?.template.spec?.containers[0]?.image;
  };
  const wanted = await until('the StatefulSet', image);
  const set = await apps.readNamespacedStatefulSet({ name, namespace });
  const [container] = set.spec?.template.spec?.containers ?? [];
  if (container === undefined) throw new Error('no container');
  container.image = 'somebody/elses:1';
  await apps.replaceNamespacedStatefulSet({ name, namespace, body: set });
  await until('our image again', async () => (await image()) === wanted);

  const { metadata } = await core.readNamespacedService({ name, namespace });
  await core.deleteNamespacedService({ name, namespace });
  await until('another service', async () => {
    const made = await core.readNamespacedService({ name, namespace });
    return made.metadata?.uid !== metadata?.uid;
  });
});

test('what is written is ours field by field: what somebody else adds stays, also when we write again', async () => {
  await using area = await ClusterArea.create(server);
  const { namespace, apps, core } = area;
  const first = await area.startController();
  const machineId = await area.enrol('web-1');
  const name = nameOf(machineId);
  const set = await until('the StatefulSet', () => apps.readNamespacedStatefulSet({ name, namespace }));
  const owners = set.metadata?.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`);
  expect(owners).toEqual(['lms-staging-controller Apply']);

  const claim = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  for (const { metadata } of [set, claim]) {
    if (metadata !== undefined) metadata.annotations = { ...metadata.annotations, 'backup.example/policy': 'daily' };
  }
  await apps.replaceNamespacedStatefulSet({ name, namespace, body: set });
  await core.replaceNamespacedPersistentVolumeClaim({ name, namespace, body: claim });
  await first.stop();
  const image = 'registry.example/lms/replication-server:2.0.0';
  const second = await area.startController({ settings: { replicationServer: { image } } });
  const written = await until('the new image', async () => {
    const now = await apps.readNamespacedStatefulSet({ name, namespace });
    return now.spec?.template.spec?.containers[0]?.image === image && now;
  });
  expect(written.metadata?.annotations).toMatchObject({ 'backup.example/policy': 'daily' });
  await until('all to be as it should', () => second.staging.getInitiation({ machineId }));
  const kept = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  expect(kept.metadata?.annotations).toMatchObject({ 'backup.example/policy': 'daily' });
});

/** As the controller of volumes does. */
async function bind({ core, namespace }: ClusterArea, name: string): Promise<void> {
  const claim = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  if (claim.spec === undefined) throw new Error('a claim without a spec');
  claim.spec.volumeName = `volume-${name}`;
  const bound = await core.replaceNamespacedPersistentVolumeClaim({ name, namespace, body: claim });
  bound.status = { phase: 'Bound', capacity: { storage: '16Gi' }, accessModes: ['ReadWriteOnce'] };
  await core.replaceNamespacedPersistentVolumeClaimStatus({ name, namespace, body: bound });
}
