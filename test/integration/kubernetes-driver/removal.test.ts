// Staging is taken away by an explicit removal and by nothing else: not by a registry that forgot, not by the loss of all
// state, not by somebody's objects that look like ours. And then nothing is left.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RemoveMachineRequest, type StagingObject } from '@lms/proto';
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

async function objectsOf({ staging }: Controller, machineId: string): Promise<readonly StagingObject[]> {
  const objects: StagingObject[] = [];
  for await (const part of staging.listStagingObjects({ machineId })) objects.push(...part.objects);
  return objects;
}

const KINDS = ['NetworkPolicy', 'PersistentVolumeClaim', 'Pod', 'Secret', 'Service', 'StatefulSet'];

async function waitForAll(controller: Controller, machineId: string, kinds = KINDS): Promise<void> {
  await until(`${kinds.join(', ')} of ${machineId}`, async () => {
    const found = (await objectsOf(controller, machineId)).map(({ kind }) => kind);
    return kinds.every((kind) => found.includes(kind));
  });
}

async function makeMachine(area: ClusterArea, controller: Controller, name: string): Promise<string> {
  const machineId = await area.enrol(name);
  await waitForAll(
    controller,
    machineId,
    KINDS.filter((kind) => kind !== 'Pod'),
  );
  await area.makePod(machineId, RUNNING);
  await waitForAll(controller, machineId);
  return machineId;
}

test('a removal leaves nothing, also when the controller dies in the middle of it; the other machine keeps all', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const first = await area.startController();
  const machineId = await makeMachine(area, first, 'goes');
  const other = await makeMachine(area, first, 'stays');
  const { objects } = await first.staging.removeStaging({ machineId });
  expect(objects.map(({ kind }) => kind)).toEqual(KINDS);
  await until('the StatefulSet to be gone', async () => {
    const left = await objectsOf(first, machineId);
    return left.every(({ kind, removing }) => removing && kind !== 'StatefulSet');
  });
  // The pod has not ended: the volume it writes to is still there.
  expect((await objectsOf(first, machineId)).map(({ kind }) => kind)).toContain('PersistentVolumeClaim');
  await first.stop();

  // As the garbage collector does.
  await core.deleteNamespacedPod({ name: `${nameOf(machineId)}-0`, namespace, gracePeriodSeconds: 0 });
  const second = await area.startController();
  await until('the claim to be on its way out', async () => {
    const { metadata } = await core.readNamespacedPersistentVolumeClaim({ name: nameOf(machineId), namespace });
    return metadata?.deletionTimestamp !== undefined;
  });
  await area.collectGarbage(machineId);
  await until('nothing to be left', async () => (await objectsOf(second, machineId)).length === 0);
  expect(await area.kindsOf(machineId)).toEqual([]);
  expect((await objectsOf(second, other)).map(({ kind }) => kind)).toEqual(KINDS);
  // The registry still knows the machine; it is not made again for that.
  const { endpoint } = await second.staging.getEndpoint({ machineId });
  expect(endpoint).toBeUndefined();
  // By the time that a third machine has all that it needs, the controller has looked at the first again.
  await makeMachine(area, second, 'comes');
  expect(await objectsOf(second, machineId)).toEqual([]);
});

/** As the controller of claims does when no pod uses them. */
async function unprotect({ core, namespace }: ClusterArea, name: string): Promise<void> {
  const claim = await core.readNamespacedPersistentVolumeClaim({ name, namespace });
  if (claim.metadata !== undefined) claim.metadata.finalizers = [];
  await core.replaceNamespacedPersistentVolumeClaim({ name, namespace, body: claim });
}

test('a machine that the registry has removed goes without anybody asking staging-controller, also while none runs', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const first = await area.startController();
  const machineId = await makeMachine(area, first, 'goes');
  const other = await makeMachine(area, first, 'stays');
  await first.stop();
  const registry = await area.registry.client('gateway');
  await registry.removeMachine(RemoveMachineRequest.fromPartial({ idOrName: 'goes' }));
  expect((await core.readNamespacedPersistentVolumeClaim({ name: nameOf(machineId), namespace })).metadata?.name).toBe(
    nameOf(machineId),
  );

  const second = await area.startController();
  await until('the StatefulSet to be gone', async () => {
    const left = await objectsOf(second, machineId);
    return left.every(({ removing, kind }) => removing && kind !== 'StatefulSet');
  });
  await core.deleteNamespacedPod({ name: `${nameOf(machineId)}-0`, namespace, gracePeriodSeconds: 0 });
  await until('the claim to be on its way out', async () => {
    const { metadata } = await core.readNamespacedPersistentVolumeClaim({ name: nameOf(machineId), namespace });
    return metadata?.deletionTimestamp !== undefined;
  });
  await unprotect(area, nameOf(machineId));
  await until('nothing to be left', async () => (await objectsOf(second, machineId)).length === 0);
  // Its agent runs on, and asks to be known again; its server would ask for a certificate.
  await expect(area.heartbeat(machineId, 10)).rejects.toMatchObject({ code: 'REMOVED' });
  expect(await area.enrol('goes')).not.toBe(machineId);
  expect((await objectsOf(second, other)).map(({ kind }) => kind)).toEqual(KINDS);
  expect(await objectsOf(second, machineId)).toEqual([]);
});

test('a manager that lost all its state adopts what there is by its labels, and deletes nothing', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const first = await area.startController();
  const machineId = await makeMachine(area, first, 'web-1');
  const claim = await core.readNamespacedPersistentVolumeClaim({ name: nameOf(machineId), namespace });
  await first.stop();
  await area.registry.stop();
  await area.registry.nats.kill();
  await area.registry.nats.loseData();
  await area.registry.nats.start();
  await area.registry.start();

  const second = await area.startController();
  const registry = await area.registry.client('gateway');
  expect((await registry.listMachines({ pageSize: 10, pageToken: '' })).machines).toEqual([]);
  await waitForAll(second, machineId);
  // Its replication server goes on: the manager knows again who serves the machine, before its agent was heard.
  const replicationServer = `rs-${machineId}`;
  const ready = { replicationServer, address: 'pod', port: 1500, freeBytes: 0n, version: '1', interfaceAddresses: [] };
  await until('the machine to be assigned again', async () => {
    await second.staging.reportReady(ready);
    const { endpoint } = await second.staging.getEndpoint({ machineId });
    return endpoint?.serverName.startsWith(machineId);
  });
  await area.heartbeat(machineId, 10);
  await area.waitForStep(second, machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
  const same = await core.readNamespacedPersistentVolumeClaim({ name: nameOf(machineId), namespace });
  expect(same.metadata?.uid).toBe(claim.metadata?.uid);
  expect((await objectsOf(second, machineId)).every(({ removing }) => !removing)).toBe(true);
});

test("objects with our labels that name no machine are listed and left alone, and nobody's machine cannot be removed", async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const controller = await area.startController();
  const labels = {
    'app.kubernetes.io/instance': 'mig',
    'app.kubernetes.io/component': 'replication-server',
    'app.kubernetes.io/managed-by': 'lms-staging-controller',
  };
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'stranger', labels } } });
  const stranger = await until('the stranger to be listed', async () =>
    (await objectsOf(controller, '')).find(({ name }) => name === 'stranger'),
  );
  expect(stranger).toEqual({ kind: 'Secret', name: 'stranger', machineId: '', removing: false });
  const unknown = controller.staging.removeStaging({ machineId: 'm-00000000000000000000' });
  await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await makeMachine(area, controller, 'web-1');
  expect(
    (await core.readNamespacedSecret({ name: 'stranger', namespace })).metadata?.deletionTimestamp,
  ).toBeUndefined();
});

const UNKNOWN = 'm-00000000000000000abc';

/** What somebody put there, or what an earlier installation left. */
function orphan(machineId: string) {
  const name = nameOf(machineId);
  const labels = {
    'app.kubernetes.io/instance': 'mig',
    'app.kubernetes.io/component': 'replication-server',
    'app.kubernetes.io/managed-by': 'lms-staging-controller',
    'live-migration-service/machine-id': machineId,
  };
  const resources = { requests: { storage: '16Gi' } };
  const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources };
  return { metadata: { name, labels }, spec };
}

test('the volume of a machine that nobody knows is listed, kept and served again, until it is removed by name', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const { metadata } = await core.createNamespacedPersistentVolumeClaim({ namespace, body: orphan(UNKNOWN) });
  const controller = await area.startController();
  // As after the loss of everything: its agent may come back any moment, and finds its replica.
  const made = KINDS.filter((kind) => kind !== 'Pod');
  await waitForAll(controller, UNKNOWN, made);
  const claim = await core.readNamespacedPersistentVolumeClaim({ name: nameOf(UNKNOWN), namespace });
  expect([claim.metadata?.uid, claim.spec?.resources?.requests?.['storage']]).toEqual([metadata?.uid, '16Gi']);
  expect((await objectsOf(controller, '')).map(({ machineId }) => machineId)).toEqual(made.map(() => UNKNOWN));

  await controller.staging.removeStaging({ machineId: UNKNOWN });
  await until('nothing to be left', async () => {
    await area.collectGarbage(UNKNOWN);
    return (await area.kindsOf(UNKNOWN)).length === 0;
  });
  await until('an empty list', async () => (await objectsOf(controller, '')).length === 0);
});

test('without its volume an object of a machine that nobody knows makes no other', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const { metadata } = orphan(UNKNOWN);
  await core.createNamespacedSecret({ namespace, body: { metadata } });
  const controller = await area.startController();
  // The one that comes after it has all that it needs: the first has been looked at.
  await makeMachine(area, controller, 'web-1');
  const kinds = await area.kindsOf(UNKNOWN);
  expect(kinds.filter((kind) => kind !== 'NetworkPolicy')).toEqual(['Secret']);
  await controller.staging.removeStaging({ machineId: UNKNOWN });
  await until('nothing to be left', async () => (await area.kindsOf(UNKNOWN)).length === 0);
});

test('what turns up of a machine that was removed goes too, also after a restart', async () => {
  await using area = await ClusterArea.create(server);
  const { core, namespace } = area;
  const first = await area.startController();
  const machineId = await makeMachine(area, first, 'goes');
  const gone = async (): Promise<boolean> => {
    await area.collectGarbage(machineId);
    return (await area.kindsOf(machineId)).length === 0;
  };
  await first.staging.removeStaging({ machineId });
  await until('nothing to be left', gone);
  const { metadata } = orphan(machineId);
  await core.createNamespacedSecret({ namespace, body: { metadata } });
  await until('the secret to be gone', gone);
  await first.stop();
  await core.createNamespacedSecret({ namespace, body: { metadata } });
  await area.startController();
  await until('the other secret to be gone', gone);
});
