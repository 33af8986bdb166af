// A controller can die between any two of its writes. Whoever leads next makes whole what was begun, and takes away what
// was to go: nothing is made twice, nothing is left, and nothing of another machine is touched.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { StagingObject } from '@lms/proto';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { until } from '../harness/until.ts';
import { ApiProxy } from './api-proxy.ts';
import { ClusterArea, nameOf, RUNNING, type Controller } from './cluster-area.ts';
import { configBy } from './way.ts';

// One life of a controller, and one wait for its lease to run out, for each write of two stories.
jest.setTimeout(300_000);

/** Between a controller that died and the next one lies the whole life of its lease. */
const LEASE_TIMES = { lifeMilliseconds: 1_200, stopMilliseconds: 800, renewMilliseconds: 200 };
/** Of its own addresses a machine has most objects. */
const SETTINGS = { exposure: { mode: 'loadBalancer', public: {}, private: {} } };
const MADE = [
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'Secret',
  'Service',
  'Service',
  'Service',
  'StatefulSet',
] as const;
/** Each of those, and the secret once more when its token is not needed any more. */
const WRITES_OF_A_START = MADE.length + 1;
const WRITES_OF_A_REMOVAL = MADE.length;

let server: KubeApiServer;

beforeAll(async () => {
  server = await KubeApiServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

interface Life extends AsyncDisposable {
  readonly controller: Controller;
  readonly proxy: ApiProxy;
  /** Of this machine. */
  readonly writes: () => readonly string[];
}

/** Dies instead of making its write number `last` + 1 about the machine. */
async function live(area: ClusterArea, isAbout: (path: string) => boolean, last: number): Promise<Life> {
  const proxy = await ApiProxy.to(server);
  const writes = (): string[] =>
    proxy.seen
      .filter(({ writes: isWrite, path }) => isWrite && isAbout(path))
      .map(({ method, path }) => `${method} ${path}`);
  proxy.judge = ({ writes: isWrite, path }) => (isWrite && isAbout(path) && writes().length >= last ? 'die' : 'pass');
  const kubeConfig = configBy(server, area.namespace, proxy.url);
  const controller = await area.startController({ kubeConfig, leaseTimes: LEASE_TIMES, settings: SETTINGS });
  const end = async (): Promise<void> => {
    proxy.die();
    await controller.stop();
    await proxy[Symbol.asyncDispose]();
  };
  return { controller, proxy, writes, [Symbol.asyncDispose]: end };
}

async function ready({ staging }: Controller, machineId: string): Promise<void> {
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

async function listed({ staging }: Controller, machineId: string): Promise<readonly StagingObject[]> {
  const objects: StagingObject[] = [];
  for await (const part of staging.listStagingObjects({ machineId })) objects.push(...part.objects);
  return objects;
}

async function isWhole(area: ClusterArea, machineId: string): Promise<boolean> {
  const kinds = (await area.kindsOf(machineId)).filter((kind) => kind !== 'Pod');
  return kinds.length === MADE.length && MADE.every((kind) => kinds.includes(kind));
}

async function hasSpentToken({ core, namespace }: ClusterArea, machineId: string): Promise<boolean> {
  const { data } = await core.readNamespacedSecret({ name: nameOf(machineId), namespace });
  return Buffer.from(data?.['token'] ?? '', 'base64').toString() === 'spent';
}

test('a controller that dies after any write of a start leaves what the next one makes whole', async () => {
  await using area = await ClusterArea.create(server);
  const starts: number[] = [];
  for (let last = 0; last <= WRITES_OF_A_START; last++) {
    let machineId = '';
    await using first = await live(area, (path) => machineId !== '' && path.includes(machineId), last);
    machineId = await area.enrol(`machine-${last}`);
    const told = { ready: false };
    await until(`its end after ${last} writes`, async () => {
      if (first.proxy.isDead) return true;
      if (!(await isWhole(area, machineId))) return false;
      if (!told.ready) await ready(first.controller, machineId);
      told.ready = true;
      return last === WRITES_OF_A_START && (await hasSpentToken(area, machineId));
    });
    starts.push(first.writes().length);
    await first[Symbol.asyncDispose]();

    const next = await area.startController({ leaseTimes: LEASE_TIMES, settings: SETTINGS });
    await until(`the next one to make it whole after ${last} writes`, () => isWhole(area, machineId));
    await ready(next, machineId);
    await until('its token to be spent', () => hasSpentToken(area, machineId));
    expect((await listed(next, machineId)).map(({ kind }) => kind)).toEqual(MADE);
    await next.stop();
  }
  // Every step was the last one once, and with none missing there was no step more.
  expect(starts).toEqual(Array.from({ length: WRITES_OF_A_START + 1 }, (_, last) => last));
});

test('a controller that dies after any write of a removal leaves what the next one takes away, to the last object', async () => {
  await using area = await ClusterArea.create(server);
  const removals: number[] = [];
  let stays = '';
  for (let last = 0; last <= WRITES_OF_A_REMOVAL; last++) {
    const maker = await area.startController({ leaseTimes: LEASE_TIMES, settings: SETTINGS });
    stays ||= await area.enrol('stays');
    const machineId = await area.enrol(`goes-${last}`);
    await until('all objects', async () => (await isWhole(area, machineId)) && (await isWhole(area, stays)));
    await area.makePod(machineId, RUNNING);
    await maker.stop();

    await using first = await live(area, (path) => path.includes(machineId), last);
    await until('it to know the machine', async () => (await listed(first.controller, machineId)).length > MADE.length);
    await first.controller.staging.removeStaging({ machineId });
    await until(`its end after ${last} writes`, async () => {
      await area.collectGarbage(machineId);
      return first.proxy.isDead || (await area.kindsOf(machineId)).length === 0;
    });
    removals.push(first.writes().length);
    await first[Symbol.asyncDispose]();

    const next = await area.startController({ leaseTimes: LEASE_TIMES, settings: SETTINGS });
    await until(`nothing to be left after ${last} writes`, async () => {
      await area.collectGarbage(machineId);
      return (await area.kindsOf(machineId)).length === 0 && (await listed(next, machineId)).length === 0;
    });
    expect(await isWhole(area, stays)).toBe(true);
    await next.stop();
  }
  expect(removals).toEqual(Array.from({ length: WRITES_OF_A_REMOVAL + 1 }, (_, last) => last));
});

test('an answer that is lost is no second object and no second removal: the same controller goes on', async () => {
  await using area = await ClusterArea.create(server);
  await using proxy = await ApiProxy.to(server);
  const lost = new Set<string>();
  proxy.judge = ({ method, path }) => {
    const isMeant = /persistentvolumeclaims|statefulsets/.test(path) && method !== 'GET';
    if (!isMeant || lost.has(`${method} ${path}`)) return 'pass';
    lost.add(`${method} ${path}`);
    return 'loseAnswer';
  };
  const kubeConfig = configBy(server, area.namespace, proxy.url);
  const controller = await area.startController({ kubeConfig, settings: SETTINGS });
  const machineId = await area.enrol('web-1');
  await until('all objects', () => isWhole(area, machineId));
  await controller.staging.removeStaging({ machineId });
  await until('nothing to be left', async () => {
    await area.collectGarbage(machineId);
    return (await area.kindsOf(machineId)).length === 0;
  });
  expect([...lost].map((line) => line.split(' ')[0])).toEqual(['PATCH', 'PATCH', 'DELETE', 'DELETE']);
});
