// What keeps a replication server from starting is seen in the cluster and told as the step that failed, in words; and the
// step goes on once the cause is gone.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { V1PodStatus } from '@kubernetes/client-node';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ApiProxy } from './api-proxy.ts';
import { ClusterArea, nameOf, NODE_SILENT, RUNNING, type Controller } from './cluster-area.ts';
import { configBy } from './way.ts';

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

function starting(containerStatuses: ContainerStatus[]): V1PodStatus {
  return { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }], containerStatuses };
}

type ContainerStatus = NonNullable<V1PodStatus['containerStatuses']>[number];
type ContainerState = NonNullable<ContainerStatus['state']>;

function container(state: ContainerState, restartCount = 0, lastState: ContainerState = {}): ContainerStatus {
  return { name: 'replication-server', image: 'image', imageID: '', ready: false, restartCount, state, lastState };
}

async function waitForStatefulSet({ apps, namespace }: ClusterArea, machineId: string): Promise<void> {
  await until('the StatefulSet', () => apps.readNamespacedStatefulSet({ name: nameOf(machineId), namespace }));
}

async function reportReady({ staging }: Controller, machineId: string): Promise<void> {
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

test('a pod that no node takes, an image that is not to be had, a server that ends: each is the launch that failed', async () => {
  await using area = await ClusterArea.create(server);
  const controller = await area.startController();
  const machineId = await area.enrol('web-1');
  await waitForStatefulSet(area, machineId);
  const failed = (saying: string): Promise<string> =>
    area.waitForStep(controller, machineId, 'LAUNCH_REPLICATION_SERVER', 'FAILED', saying);

  const unschedulable = '0/1 nodes are available: 1 Insufficient cpu.';
  const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unschedulable };
  await area.makePod(machineId, { phase: 'Pending', conditions: [condition] });
  expect(await failed('Insufficient cpu')).toContain('Add a node');

  const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "registry.example/x"' };
  await area.writePodStatus(machineId, starting([container({ waiting })]));
  expect(await failed('Back-off pulling image')).toContain('imagePullSecrets');

  const said = {
    code: 'FAILED_PRECONDITION',
    message: 'The data folder belongs to a manager with another CA',
    action: null,
  };
  const terminated = { exitCode: 1, reason: 'Error', message: JSON.stringify(said), finishedAt: new Date() };
  const looping = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } };
  await area.writePodStatus(machineId, starting([container(looping, 4, { terminated })]));
  await failed('belongs to a manager with another CA');
  const { steps } = await controller.staging.getInitiation({ machineId });
  expect(steps.find(({ error }) => error.includes('another CA'))?.attempt).toBe(5);
  const { component, dependencies } = await controller.component.describeComponent({});
  expect(component?.healthy).toBe(true);
  const row = dependencies.find(({ name }) => name === 'replication-server');
  expect(row).toMatchObject({ healthy: false, detail: expect.stringContaining('1 of 1 do not run') });

  await area.writePodStatus(machineId, RUNNING);
  await reportReady(controller, machineId);
  await area.waitForStep(controller, machineId, 'LAUNCH_REPLICATION_SERVER', 'SUCCEEDED');
  const healed = await controller.component.describeComponent({});
  expect(healed.dependencies.find(({ name }) => name === 'replication-server')).toMatchObject({ healthy: true });
});

test('a server whose token was refused failed to authenticate, and gets a new token', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const controller = await area.startController();
  const machineId = await area.enrol('web-1');
  await waitForStatefulSet(area, machineId);
  const token = async (): Promise<string> => {
    const { data } = await core.readNamespacedSecret({ name: nameOf(machineId), namespace });
    return Buffer.from(data?.['token'] ?? '', 'base64').toString();
  };
  const first = await token();
  const said = { code: 'UNAUTHENTICATED', message: 'the join token was used', action: 'make a new one' };
  const terminated = { exitCode: 1, reason: 'Error', message: JSON.stringify(said), finishedAt: inAMinute() };
  const waiting = { reason: 'CrashLoopBackOff', message: 'back-off 10s' };
  const containerStatuses = [container({ waiting }, 1, { terminated })];
  await area.makePod(machineId, starting(containerStatuses));
  await area.waitForStep(controller, machineId, 'AUTHENTICATE_WITH_SERVICE', 'FAILED', 'the join token was used');
  const second = await until('another token', async () => {
    const present = await token();
    return present !== first && present;
  });
  expect(second).toMatch(/^lms_server_/);
});

/** Instants of pods are whole seconds, and the token was made within this one. */
function inAMinute(): Date {
  return new Date(Date.now() + 1_500);
}

test('without a storage class, and with one that is not there, the staging disks are what fails', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const controller = await area.startController({ settings: { storage: {} } });
  const machineId = await area.enrol('web-1');
  const name = nameOf(machineId);
  await area.waitForStep(controller, machineId, 'CREATE_STAGING_DISKS', 'FAILED', 'no storage class');

  // As the controller of volumes does when there is a default class at last.
  const claim = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  if (claim.spec === undefined) throw new Error('a claim without a spec');
  claim.spec.storageClassName = 'late';
  await core.replaceNamespacedPersistentVolumeClaim({ name, namespace, body: claim });
  await area.warn('PersistentVolumeClaim', name, 'ProvisioningFailed', 'storageclass.storage.k8s.io "late" not found');
  await area.waitForStep(controller, machineId, 'CREATE_STAGING_DISKS', 'FAILED', 'Make the StorageClass late');

  const present = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  present.status = { phase: 'Bound', capacity: { storage: '16Gi' } };
  await core.replaceNamespacedPersistentVolumeClaimStatus({ name, namespace, body: present });
  await area.waitForStep(controller, machineId, 'CREATE_STAGING_DISKS', 'IN_PROGRESS');

  const lost = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  lost.status = { phase: 'Lost' };
  await core.replaceNamespacedPersistentVolumeClaimStatus({ name, namespace, body: lost });
  await area.waitForStep(controller, machineId, 'CREATE_STAGING_DISKS', 'FAILED', 'is lost');
});

test('a quota that is used up holds up its own machine, with the next attempt, until it is raised', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const hard = { persistentvolumeclaims: '1' };
  const quota = { name: 'small', namespace };
  await core.createNamespacedResourceQuota({ namespace, body: { metadata: quota, spec: { hard } } });
  await setQuota(area, '1', '1');
  const controller = await area.startController();
  const machineId = await area.enrol('web-1');
  await area.waitForStep(controller, machineId, 'CREATE_STAGING_DISKS', 'FAILED', 'exceeded quota: small');
  const { steps } = await controller.staging.getInitiation({ machineId });
  const failed = steps.find(({ error }) => error.includes('Raise the ResourceQuota'));
  expect(failed?.nextAttemptAt).toBeInstanceOf(Date);
  await setQuota(area, '2', '1');
  await waitForStatefulSet(area, machineId);
  await area.waitForStep(controller, machineId, 'CREATE_STAGING_DISKS', 'IN_PROGRESS');
});

test('a machine that fails waits longer each time, with its reason, and holds up no other', async () => {
  await using area = await ClusterArea.create(server);
  await using proxy = await ApiProxy.to(server);
  const controller = await area.startController({ kubeConfig: configBy(server, area.namespace, proxy.url) });
  let failing = '';
  proxy.judge = ({ path, writes }) => (failing !== '' && writes && path.includes(failing) ? 503 : 'pass');
  failing = 'rs-m-';
  const machineId = await area.enrol('web-1');
  failing = machineId;
  await area.waitForStep(controller, machineId, 'CREATE_NETWORK_POLICY', 'FAILED', 'the test says no');
  const other = await area.enrol('web-2');
  await waitForStatefulSet(area, other);
  const attempts = (): number => proxy.seen.filter(({ path, writes }) => writes && path.includes(machineId)).length;
  const nextAttempts: number[] = [];
  for (const attempt of [2, 3, 4]) {
    const { step, writes } = await until(`attempt ${attempt}`, async () => {
      const made = attempts();
      const { steps } = await controller.staging.getInitiation({ machineId });
      const found = steps.find(({ error }) => error.includes('the test says no'));
      return found?.attempt === attempt && { step: found, writes: made };
    });
    nextAttempts.push(step.nextAttemptAt?.getTime() ?? 0);
    // It stops at the first write that fails; the next attempt may have begun, and no other.
    expect(writes).toBeLessThanOrEqual(attempt + 1);
  }
  const [second = 0, third = 0, fourth = 0] = nextAttempts;
  expect(fourth - third).toBeGreaterThan(third - second);
  failing = '';
  await waitForStatefulSet(area, machineId);
});

test('a quota that allows no further pod is told from the event of the StatefulSet', async () => {
  await using area = await ClusterArea.create(server);
  const controller = await area.startController();
  const machineId = await area.enrol('web-1');
  await waitForStatefulSet(area, machineId);
  const why = 'create Pod failed error: pods "x" is forbidden: exceeded quota: small, requested: pods=1';
  await area.warn('StatefulSet', nameOf(machineId), 'FailedCreate', why);
  const told = await area.waitForStep(
    controller,
    machineId,
    'LAUNCH_REPLICATION_SERVER',
    'FAILED',
    'exceeded quota: small',
  );
  expect(told).toContain('Raise the ResourceQuota');
});

test('a pod that is evicted, a node that is silent, a volume that hangs on the node before: each is told, and over when it is', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const controller = await area.startController();
  const machineId = await area.enrol('web-1');
  await waitForStatefulSet(area, machineId);
  const uid = async (): Promise<string | undefined> =>
    (await core.readNamespacedPersistentVolumeClaim({ name: nameOf(machineId), namespace })).metadata?.uid;
  const volume = await uid();
  const launch = (state: 'FAILED' | 'SUCCEEDED', saying = ''): Promise<string> =>
    area.waitForStep(controller, machineId, 'LAUNCH_REPLICATION_SERVER', state, saying);
  await area.makePod(machineId, RUNNING, 'node-1');
  await reportReady(controller, machineId);
  await launch('SUCCEEDED');

  await area.writePodStatus(machineId, NODE_SILENT);
  expect(await launch('FAILED', 'node node-1')).toContain('does not answer');
  await area.writePodStatus(machineId, RUNNING);
  await launch('SUCCEEDED');

  const evicted = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: ephemeral-storage.' };
  await area.writePodStatus(machineId, evicted);
  expect(await launch('FAILED', 'Evicted')).toContain('Another one is made');
  // As the controller of StatefulSets does with a pod that failed.
  await core.deleteNamespacedPod({ name: `${nameOf(machineId)}-0`, namespace, gracePeriodSeconds: 0 });
  await area.makePod(machineId, { phase: 'Pending' }, 'node-2');
  const multiAttach = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s)';
  await area.warn('Pod', `${nameOf(machineId)}-0`, 'FailedAttachVolume', multiAttach);
  expect(await launch('FAILED', 'Multi-Attach error')).toContain('still attached to the node');
  await area.writePodStatus(machineId, RUNNING);
  await reportReady(controller, machineId);
  await launch('SUCCEEDED');
  expect(await uid()).toBe(volume);
});

/** As the controller of quotas does. */
async function setQuota({ core, namespace }: ClusterArea, hard: string, used: string): Promise<void> {
  const name = 'small';
  const quota = await core.readNamespacedResourceQuota({ name, namespace });
  quota.status = { hard: { persistentvolumeclaims: hard }, used: { persistentvolumeclaims: used } };
  await core.replaceNamespacedResourceQuotaStatus({ name, namespace, body: quota });
}
