// Public and private at once, with a real agent, its real disk and a real replication server: the agent finds the way that
// leads there, its session outlives every change that leaves its own way in place, and a change that does not moves it
// without a rescan. An upgrade of the chart is what changes addresses: here, another controller with other settings.

import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { requireCommand } from '../../harness/command.ts';
import { findFreePort } from '../../harness/free-port.ts';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { LMS_AGENT } from '../../harness/operator.ts';
import { until } from '../harness/until.ts';
import { ClusterArea, nameOf, type Controller } from './cluster-area.ts';
import { ClusterManager } from './cluster-manager.ts';
import { Way } from './way.ts';

// An agent hears of a change at its next heartbeat, and there are three of them.
jest.setTimeout(300_000);

const never = new AbortController().signal;
const DISK_BYTES = 48 * 1024 * 1024;

let cleanup: Cleanup;
let folder: string;

beforeEach(async () => {
  cleanup = new Cleanup();
  folder = await mkdtemp(join(tmpdir(), 'lms-two-addresses-'));
  cleanup.add('remove the folder', () => rm(folder, { recursive: true }));
});

afterEach(async () => {
  expect(await cleanup.run()).toEqual([]);
});

function later<Thing extends AsyncDisposable>(what: string, thing: Thing): Thing {
  cleanup.add(what, async () => thing[Symbol.asyncDispose]());
  return thing;
}

class Source {
  readonly #disk: LoopDisk;
  readonly #stateFolder = join(folder, 'agent');
  readonly #manager: ClusterManager;

  constructor(disk: LoopDisk, manager: ClusterManager) {
    this.#disk = disk;
    this.#manager = manager;
  }

  async enrol(): Promise<string> {
    const { url, caSha256, operator } = this.#manager;
    const { token } = await operator.createToken({}, never);
    const words = ['--manager', url, '--ca-sha256', caSha256, '--token-stdin', '--state-dir', this.#stateFolder];
    cleanup.add('uninstall the agent', async () => {
      await requireCommand(LMS_AGENT, ['uninstall', '--state-dir', this.#stateFolder]);
    });
    const told = await requireCommand(
      LMS_AGENT,
      ['enrol', ...words, '--disk', this.#disk.device, '--name', 'source', '-o', 'json'],
      { input: token },
    );
    return (JSON.parse(told) as { machineId: string }).machineId;
  }

  start(): void {
    const agent = new BackgroundProcess({
      program: LMS_AGENT,
      parameters: ['run', '--state-dir', this.#stateFolder],
      logPath: join(folder, 'agent.log'),
    });
    cleanup.add('end the agent', () => agent.end());
  }

  /** Ports, in the order that the agent has heard. */
  async heard(): Promise<readonly number[]> {
    const { blockStream, blockStreamAlternatives } = JSON.parse(
      await readFile(join(this.#stateFolder, 'assignment.json'), 'utf8'),
    ) as { blockStream: { port: number }; blockStreamAlternatives: { port: number }[] };
    return [blockStream, ...blockStreamAlternatives].map(({ port }) => port);
  }

  async status(): Promise<{ blockStream: string | null; connected: boolean; trackerLosses: number | null }> {
    return JSON.parse(
      await requireCommand(LMS_AGENT, ['status', '--state-dir', this.#stateFolder, '-o', 'json']),
    ) as Awaited<ReturnType<Source['status']>>;
  }

  /** Writes something, makes a point of it, and finds it there. */
  async proveReplication(machineId: string): Promise<void> {
    const { operator } = this.#manager;
    const written = randomBytes(1024 * 1024);
    const disk = await open(this.#disk.device, 'r+');
    await disk.write(written, 0, written.length, 0);
    await disk.sync();
    await disk.close();
    const asked = await operator.createPoint(machineId, { timeoutSeconds: 60 }, randomUUID(), never);
    const done = await until('the point', async () => {
      const operation = await operator.operation(asked.operationId, 5, never);
      return operation.completedAt !== null && operation;
    });
    expect(done).toMatchObject({ state: 'succeeded' });
    const diskId = done.point?.disks[0]?.id ?? '';
    const { body } = await operator.diskImage(
      { idOrName: machineId, sequence: done.sequence ?? 0, diskId },
      { offsetBytes: 0, etag: null },
      never,
    );
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    expect(Buffer.concat(parts).subarray(0, written.length).equals(written)).toBe(true);
  }
}

test('an agent takes the way that leads there, stays on it as long as it is named, and moves without a rescan', async () => {
  const server = later('stop the API server', await KubeApiServer.start());
  const area = later('stop the controllers', await ClusterArea.create(server));
  const listen = `127.0.0.1:${await findFreePort()}`;
  let serverPort = 0;
  const outer = later('close the public way', await Way.to(() => serverPort));
  const inner = later('close the private way', await Way.to(() => serverPort));
  const both = {
    public: { host: '127.0.0.1', port: outer.port },
    private: { host: '127.0.0.1', port: inner.port },
  };
  let controller: Controller | null = null;
  const startController = async (exposure: Readonly<Record<string, unknown>>): Promise<void> => {
    await controller?.stop();
    controller = await area.startController({ listen, settings: { exposure: { mode: 'router', ...exposure } } });
  };
  await startController({ advertise: both });
  const manager = later('stop the gateway', await ClusterManager.start(area, listen));
  const disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: DISK_BYTES, cleanup });
  await requireCommand('dd', ['if=/dev/urandom', `of=${disk.device}`, 'bs=1M', 'count=48', 'oflag=direct']);
  const source = new Source(disk, manager);
  const machineId = await source.enrol();
  const name = nameOf(machineId);
  await until('the StatefulSet', () => area.apps.readNamespacedStatefulSet({ name, namespace: area.namespace }));
  const replicationServer = await manager.startReplicationServer(machineId, join(folder, 'staging'));
  cleanup.add('end the replication server', () => replicationServer.process.end());
  serverPort = replicationServer.port;

  // From this machine the public address leads nowhere.
  outer.cut();
  source.start();
  await until('the agent to connect', async () => (await source.status()).connected);
  expect((await source.status()).blockStream).toBe(`127.0.0.1:${inner.port}`);
  await source.proveReplication(machineId);
  expect([outer.connections, inner.connections]).toEqual([0, 1]);

  // It does now, and is the one that is preferred; then the private one is; then there is only that.
  outer.mend();
  await startController({ advertise: both, prefer: 'private' });
  await until('the other order', async () => (await source.heard())[0] === inner.port);
  await startController({ advertise: { private: both.private } });
  await until('one address', async () => (await source.heard()).length === 1);
  await source.proveReplication(machineId);
  expect([outer.connections, inner.connections, inner.open]).toEqual([0, 1, 1]);

  // Its own is named no longer: the session moves, and what is there is not sent or compared again.
  await startController({ advertise: { public: both.public } });
  await until('the move', async () => outer.connections === 1 && inner.open === 0 && (await source.status()).connected);
  await source.proveReplication(machineId);
  expect((await source.status()).trackerLosses).toBe(0);
  expect(outer.bytes).toBeLessThan(DISK_BYTES / 4);
  expect(inner.bytes).toBeGreaterThan(DISK_BYTES);
  expect([outer.connections, inner.connections]).toEqual([1, 1]);
});
