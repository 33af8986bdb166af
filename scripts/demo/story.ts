// The steps of the demo, each one done for real through bin/lms and bin/lms-agent.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine, Point } from '@lms/api';
import { Agent } from '../../test/harness/agent.ts';
import type { AgentOptions } from '../../test/harness/agent.ts';
import type { Cleanup } from '../../test/harness/cleanup.ts';
import { requireCommand } from '../../test/harness/command.ts';
import { waitFor } from '../../test/harness/condition.ts';
import { startFio } from '../../test/harness/fio.ts';
import { LoopDisk } from '../../test/harness/loop-disk.ts';
import { Manager } from '../../test/harness/manager.ts';
import type { ManagerOptions } from '../../test/harness/manager.ts';
import { OrderedWriter } from '../../test/harness/ordered-writer.ts';
import { describeMeasurements, initialSyncOf } from './measurements.ts';
import type { Narrator } from './narrator.ts';
import { mebibytes } from './narrator.ts';
import { proveEqual, proveGood } from './proof.ts';

const DISK_BYTES = 1024 * 1024 * 1024;
const TREE_SOURCE = '/usr/share/doc';
const FIO_BLOCK_KIBIBYTES = 64;
const FIO_FILE_MEBIBYTES = 128;
const FIO_MEBIBYTES_PER_SECOND = 8;
const MACHINE = 'demo-machine';
/** So much is shown of the load's life under continuous replication before the first point. */
const LAG_SAMPLES = 12;

export interface Story {
  readonly folder: string;
  readonly cleanup: Cleanup;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
  /** Default: all of it on this host, each part where it can be reached by every other. */
  readonly stage?: Stage;
}

/** Where the parts run, and by which way they reach each other. */
export interface Stage {
  readonly manager: Pick<ManagerOptions, 'host' | 'environment'>;
  readonly agent: Pick<AgentOptions, 'place' | 'enrolOptions' | 'environment'>;
  /** Default: 1 GiB. */
  readonly diskBytes?: number;
  /** Default: /usr/share/doc. */
  readonly treeSource?: string;
  /** Default: 12. */
  readonly lagSamples?: number;
}

interface Source {
  readonly disk: LoopDisk;
  readonly mountPoint: string;
}

export async function tellStory(story: Story): Promise<void> {
  const { narrator, folder, cleanup, signal, stage } = story;
  mkdirSync(join(folder, 'logs'));

  const size = mebibytes(stage?.diskBytes ?? DISK_BYTES);
  narrator.step(`A source machine: a disk of ${size} (a loop device) with ext4, files, and a load that does not stop`);
  const source = await createSource(story);
  const { writer, stopLoad } = startLoad(story, source);

  narrator.step('lms manager: the whole manager in one process, with its NATS, its CA and its replication server');
  const manager = await Manager.create({
    dataFolder: join(folder, 'manager'),
    logFolder: join(folder, 'logs'),
    cleanup,
    signal,
    ...stage?.manager,
  });
  const status = await manager.start();
  narrator.detail(`${status.managerUrl}, block stream ${status.blockStream}`);
  narrator.detail(status.components.map(({ name, pid }) => `${name} (pid ${pid})`).join(', '));

  narrator.step('lms-agent enrol, with a one-time token and the hash of the CA; then lms-agent run');
  const agent = new Agent({
    manager,
    name: MACHINE,
    disks: [source.disk.device],
    stateFolder: join(folder, 'agent'),
    logFolder: join(folder, 'logs'),
    cleanup,
    ...stage?.agent,
  });
  await agent.enrol();
  signal.throwIfAborted();
  agent.start();

  narrator.step('Initial sync, while the load goes on writing');
  await watchInitialSync(story, manager);
  const initialSync = initialSyncOf(agent.process.log());
  const lagSeconds = await watchLag(story, manager);

  narrator.step('lms point create --consistency filesystem and lms point export, under load');
  const durableBefore = writer.completed;
  const underLoad = await createPoint(story, manager);
  const first = await exportPoint(story, manager, underLoad);

  narrator.step('The load stops, the file system is unmounted; a second point and its export');
  await stopLoad();
  await source.disk.unmount(source.mountPoint);
  const atRest = await createPoint(story, manager);
  const second = await exportPoint(story, manager, atRest);

  narrator.step('Proof: the second point equals the source over the whole disk');
  narrator.detail(await proveEqual({ disk: source.disk, imagePath: second, point: atRest }));

  narrator.step('Proof: the first point is good: a copy is mounted, read, unmounted and checked');
  narrator.detail(await proveGood({ imagePath: first, folder, cleanup, leastEntries: durableBefore }));

  // The figures come from the REST interface, which is not reached in another network.
  if (stage !== undefined) return;
  narrator.step('Measured');
  narrator.detail(
    await describeMeasurements({ manager, agent, machineName: MACHINE, initialSync, lagSeconds, status }),
  );
}

async function createSource({ folder, cleanup, narrator, signal, stage }: Story): Promise<Source> {
  const disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: stage?.diskBytes ?? DISK_BYTES, cleanup });
  await disk.format('ext4');
  const mountPoint = await disk.mount();
  // A tree of real files with a list of their checksums, which is read again from the replica.
  const list = `cp -r ${stage?.treeSource ?? TREE_SOURCE} tree && find tree -type f -print0 | sort -z | xargs -0 sha256sum > tree.sha256 && wc -l < tree.sha256`;
  const fileCount = await requireCommand('bash', ['-c', `cd "$1" && ${list}`, 'bash', mountPoint], { signal });
  narrator.detail(`${disk.device} on ${disk.imagePath}, mounted at ${mountPoint}, ${fileCount.trim()} files`);
  return { disk, mountPoint };
}

function startLoad(
  { folder, cleanup, narrator }: Story,
  { mountPoint }: Source,
): { writer: OrderedWriter; stopLoad: () => Promise<void> } {
  const fio = startFio({
    target: join(mountPoint, 'fio.data'),
    sizeMebibytes: FIO_FILE_MEBIBYTES,
    rateMebibytesPerSecond: FIO_MEBIBYTES_PER_SECOND,
    blockKibibytes: FIO_BLOCK_KIBIBYTES,
    logPath: join(folder, 'logs', 'fio.log'),
  });
  const writer = OrderedWriter.start({ folders: [join(mountPoint, 'ordered')] });
  let stopped = false;
  const stopLoad = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await fio.end();
    await writer.stop();
  };
  cleanup.add('stop the load', stopLoad);
  narrator.detail(
    `fio: ${FIO_MEBIBYTES_PER_SECOND} MiB/s of random ${FIO_BLOCK_KIBIBYTES} KiB writes; and a writer that fsyncs each file,`,
  );
  narrator.detail('then a line about it in a log: so every image can be judged by what its log says');
  return { writer, stopLoad };
}

async function watchInitialSync(story: Story, manager: Manager): Promise<void> {
  const { narrator, signal } = story;
  await waitFor(
    `${MACHINE} to be in continuous replication`,
    async () => {
      const machine = await askMachine(story, manager);
      narrator.progress(describeProgress(machine));
      return machine.replicationState === 'CONTINUOUS';
    },
    { timeoutMilliseconds: 120_000, pollMilliseconds: 500, signal },
  );
}

/** The command takes longer, and reaches a manager in another network. */
async function askMachine({ stage }: Story, manager: Manager): Promise<Machine> {
  if (stage !== undefined) return manager.machine(MACHINE);
  return manager.ask(async (api, limit) => api.machine(MACHINE, limit));
}

function describeProgress({ replicationState, disks, stallCause, detail }: Machine): string {
  const replicated = disks.reduce((sum, disk) => sum + (disk.replicatedBytes ?? 0), 0);
  const size = disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const percent = size === 0 ? 0 : Math.floor((replicated / size) * 100);
  const trouble = stallCause === null ? '' : ` ${stallCause}: ${detail ?? ''}`;
  return `${replicationState ?? 'not seen yet'} ${percent} % (${mebibytes(replicated)} of ${mebibytes(size)})${trouble}`;
}

async function watchLag(story: Story, manager: Manager): Promise<readonly number[]> {
  const { narrator, signal, stage } = story;
  const samples: number[] = [];
  await waitFor(
    'samples of the lag',
    async () => {
      const machine = await askMachine(story, manager);
      if (machine.lagSeconds !== null) samples.push(machine.lagSeconds);
      const lag = machine.lagSeconds === null ? 'unknown' : `${machine.lagSeconds.toFixed(1)} s`;
      const detail = machine.detail === null ? '' : `, ${machine.detail}`;
      narrator.progress(
        `${machine.replicationState}: lag ${lag}, backlog ${mebibytes(machine.backlogBytes ?? 0)}${detail}`,
      );
      return samples.length >= (stage?.lagSamples ?? LAG_SAMPLES);
    },
    { timeoutMilliseconds: 60_000, pollMilliseconds: 500, signal },
  );
  return samples;
}

async function createPoint({ narrator }: Story, manager: Manager): Promise<Point> {
  const point = await manager.createPoint(MACHINE, 'filesystem');
  narrator.detail(`point ${point.sequence}: ${point.consistency}, of ${point.createdAt}`);
  return point;
}

async function exportPoint({ folder, narrator }: Story, manager: Manager, point: Point): Promise<string> {
  const disk = point.disks[0];
  if (disk === undefined) throw new Error(`point ${point.sequence} has no disk`);
  const path = join(folder, `point-${point.sequence}.raw`);
  const startedAt = performance.now();
  await manager.exportDisk(MACHINE, point.sequence, disk.id, path);
  narrator.detail(`${path} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return path;
}
