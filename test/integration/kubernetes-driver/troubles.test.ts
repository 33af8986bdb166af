// What keeps a replication server from starting is seen in the cluster and told as the step that failed, in words; and the
// step goes on once the cause is gone.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { V1PodStatus } from '@kubernetes/client-node';
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
  await staging.reportReady({ replicationServer, address: 'pod', port: 1500, freeBytes: 0n, version: '1' });
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

/** As the controller of quotas does. */
async function setQuota({ core, namespace }: ClusterArea, hard: string, used: string): Promise<void> {
  const name = 'small';
  const quota = await core.readNamespacedResourceQuota({ name, namespace });
  quota.status = { hard: { persistentvolumeclaims: hard }, used: { persistentvolumeclaims: used } };
  await core.replaceNamespacedResourceQuotaStatus({ name, namespace, body: quota });
}
