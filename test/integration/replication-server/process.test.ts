/** The replication server as a process: real TLS, real files, a manager that is only played. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, statfsSync, writeFileSync } from 'node:fs';
import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { AssignedMachine, ReplicationTask } from '@lms/api';
import { deviceIdToKernelNumber, mountFileSystem, unmountFileSystem } from '@lms/linux';
import { wholeDisks } from './whole-disks.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';
import { ManagerDouble } from './manager-double.ts';
import { DISK_BLOCKS, DISK_BYTES, ServerProcess, connectAgent, next } from './server-process.ts';

const MACHINE_ID = 'm-0123456789abcdef0123';
const FLOOR_BYTES = 16 * 1024 * 1024;
const MACHINE: AssignedMachine = {
  machineId: MACHINE_ID,
  name: 'machine',
  settings: { retention: [{ everySeconds: 1, keepSeconds: 3_600 }], floorBytes: FLOOR_BYTES },
};

/** A disk with holes: blocks 10 to 29 are zeros. */
function createImage(): Buffer {
  const image = randomBytes(DISK_BYTES);
  return image.fill(0, 10 * 65_536, 30 * 65_536);
}

async function sendWhole(agent: Awaited<ReturnType<typeof connectAgent>>, image: Buffer): Promise<void> {
  await agent.write(image, 0, 10);
  await agent.zero(10, 20);
  await agent.write(image, 30, DISK_BLOCKS - 30);
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

function task(kind: ReplicationTask['kind'], id: string, sequence = 1): ReplicationTask {
  return { id, kind, machineId: MACHINE_ID, sequence, ...(kind === 'export' && { diskId: 'disk-1' }) };
}

test('from enrolment to an exported point: reported, verified, exported bit for bit, and stopped in order', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  await until('it is ready', () => manager.ready.find((report) => report.port === port));
  await until('the complete list of points comes first', () => manager.points[0]?.report.complete === true);

  using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
  expect(agent.answer).toMatchObject({ fencingGeneration: expect.any(Number), lastMark: null });
  const image = createImage();
  await sendWhole(agent, image);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  expect(await agent.checkpoint('c-1', 1, traceparent)).toBe(1);
  const reported = await until('the point is reported', () =>
    manager.points.find(({ report }) => !report.complete && report.points[0]?.checkpointId === 'c-1'),
  );
  expect(reported).toMatchObject({
    machineId: MACHINE_ID,
    report: { points: [{ sequence: 1, consistency: 'crash' }] },
  });

  manager.assign([MACHINE], [task('verify', 'aaaaaaaa-1'), task('export', 'aaaaaaaa-2')]);
  const verified = await until('it is verified', () => manager.results.get('aaaaaaaa-1'));
  expect(verified).toMatchObject({
    state: 'succeeded',
    report: { mismatchedBlocks: 0, sha256: { 'disk-1': sha256(image) } },
  });
  expect(await until('it is exported', () => manager.results.get('aaaaaaaa-2'))).toEqual({
    state: 'succeeded',
    sha256: sha256(image),
  });
  const exported = manager.exports.get('aaaaaaaa-2');
  expect(exported?.announcedBytes).toBe(DISK_BYTES);
  expect(sha256(exported?.body ?? Buffer.alloc(0))).toBe(sha256(image));

  await until('statistics tell the steps', () =>
    manager.statistics.find((entry) => entry.steps.dataTransfer && entry.pointsCount === 1 && entry.bytesRaw > 0),
  );
  await until('log lines arrive', () => manager.logs.find((record) => record.message === 'point in time committed'));
  expect(await server.end('SIGTERM')).toBe(0);
  expect(server.lines.filter((line) => 'unparsed' in line)).toEqual([]);
  expect(await agent.connection.receive().catch(() => null)).toMatchObject({ type: 'error', code: 'UNAVAILABLE' });
});

test('after kill -9 the next process serves the same points, goes on with a higher generation, and does not enrol again', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  const image = createImage();
  let generation: number;
  {
    await using first = await ServerProcess.start(manager, folder.path);
    const port = await first.port();
    using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
    generation = agent.answer.fencingGeneration;
    await sendWhole(agent, image);
    await agent.checkpoint('c-1', 1);
    await agent.mark(2);
    await first.end('SIGKILL');
  }
  // The manager is away at the start: the last assignments serve.
  const away = await manager.goAway();
  await using second = await ServerProcess.start(manager, folder.path);
  const port = await second.port();
  using agent = await connectAgent(manager, MACHINE_ID, port);
  expect(agent.answer.fencingGeneration).toBeGreaterThan(generation);
  expect(agent.answer.lastMark).toEqual({ mapEpoch: 'epoch-1', markId: 2 });
  expect(agent.answer.lastCheckpoint).toEqual({ checkpointId: 'c-1', sequence: 1 });
  await agent.write(image, 3, 1);
  expect(await agent.checkpoint('c-2', 3)).toBe(2);
  manager.points.length = 0;
  await away.comeBack();
  // One complete list with both, or a complete one with the first and then a report of the second: both tell it all.
  const reported = await until('all points are reported to the manager that came back', () => {
    const known = new Set(manager.points.flatMap(({ report }) => report.points.map((point) => point.checkpointId)));
    return manager.points.some(({ report }) => report.complete) && known.size === 2 && known;
  });
  expect([...reported].sort()).toEqual(['c-1', 'c-2']);
  expect(manager.enrolments).toBe(1);
});

test('a machine that is not assigned is refused; one whose assignment ends is cut; tasks on what is not there fail clearly', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  await until('the manager was reached', () => server.find('the manager answers'));
  await expect(connectAgent(manager, MACHINE_ID, port)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  manager.assign([MACHINE], [task('verify', 'bbbbbbbb-1', 7)]);
  expect(await until('the task fails', () => manager.results.get('bbbbbbbb-1'))).toMatchObject({
    state: 'failed',
    code: 'NOT_FOUND',
  });
  using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
  manager.assign([]);
  expect(await next(agent.connection, 'error')).toMatchObject({ code: 'PERMISSION_DENIED' });
});

test('a second session of the same machine fences the first (R11)', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  using first = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
  using second = await connectAgent(manager, MACHINE_ID, port);
  expect(second.answer.fencingGeneration).toBe(first.answer.fencingGeneration + 1);
  expect(await next(first.connection, 'error')).toMatchObject({ code: 'FENCED' });
  await second.mark(1);
});

test('data that does not match its digest, and a write beyond the disk, end the session and leave the disk alone (R8, R9)', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  const image = createImage();
  {
    using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
    await sendWhole(agent, image);
    await agent.checkpoint('c-1', 1);
    const payload = Buffer.from(image.subarray(0, 65_536));
    const common = { type: 'write', diskIndex: 0, blockCount: 1, codec: 'raw', rawLengthBytes: 65_536 } as const;
    await agent.connection.send({ ...common, firstBlock: 0, digests: new Uint8Array(16), payload: payload.fill(7) });
    expect(await next(agent.connection, 'error')).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  }
  {
    using agent = await connectAgent(manager, MACHINE_ID, port);
    await agent.connection.send({ type: 'zero', diskIndex: 0, firstBlock: DISK_BLOCKS - 1, blockCount: 2 });
    expect(await next(agent.connection, 'error')).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  }
  using agent = await connectAgent(manager, MACHINE_ID, port);
  await agent.checkpoint('c-2', 2);
  manager.assign([MACHINE], [task('verify', 'cccccccc-1', 2)]);
  expect(await until('it is verified', () => manager.results.get('cccccccc-1'))).toMatchObject({
    report: { mismatchedBlocks: 0, sha256: { 'disk-1': sha256(image) } },
  });
});

test('staging that lies on the disk to be replicated is refused on the same boot (R17)', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  const { bootId, below } = wholeDisks(folder.path);
  // Where temporary folders lie on no disk there is nothing to refuse.
  if (below.length === 0) {
    expect(deviceIdToKernelNumber(statSync(folder.path, { bigint: true }).dev)).toBeLessThan(2 ** 20);
    return;
  }
  const refused = until('the machine is assigned', async () => {
    const failure = await connectAgent(manager, MACHINE_ID, port, { bootId, wholeDiskNumbers: [...below] }).catch(
      (thrown: unknown) => thrown as { code: string },
    );
    return 'code' in failure && failure.code !== 'PERMISSION_DENIED' && failure;
  });
  expect(await refused).toMatchObject({ code: 'STAGING_ON_SOURCE' });
  using agent = await connectAgent(manager, MACHINE_ID, port, { bootId: 'other', wholeDiskNumbers: [...below] });
  await agent.mark(1);
});

test('a second process on the same data folder refuses and names the holder; a wrong CA hash and a wrong token end with 1', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  await using server = await ServerProcess.start(manager, folder.path);
  await server.port();
  await using second = await ServerProcess.start(manager, folder.path);
  await once(second.child, 'exit');
  expect(second.child.exitCode).toBe(1);
  expect(second.lines.at(-1)?.['message']).toContain(`process ${server.child.pid}`);

  const wrongHash = ['--ca-sha256', 'ab'.repeat(32)];
  await using other = await ServerProcess.start(manager, join(folder.path, 'other'), wrongHash);
  await once(other.child, 'exit');
  expect(other.child.exitCode).toBe(1);
  expect(other.lines.at(-1)).toMatchObject({ level: 'fatal', code: 'UNAUTHENTICATED' });

  const noToken = ['--bootstrap-token-file', join(folder.path, 'none')];
  await using third = await ServerProcess.start(manager, join(folder.path, 'third'), noToken);
  await once(third.child, 'exit');
  expect(third.child.exitCode).toBe(2);
  expect(third.lines.at(-1)?.['message']).toContain('bootstrap token file');
});

test('a point is deleted on demand, the newest is not, and the manager gets the list that is left', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
  const image = createImage();
  await sendWhole(agent, image);
  await agent.checkpoint('c-1', 1);
  await agent.checkpoint('c-2', 2);
  manager.assign([MACHINE], [task('delete', 'dddddddd-1', 1), task('delete', 'dddddddd-2', 2)]);
  expect(await until('the first is deleted', () => manager.results.get('dddddddd-1'))).toEqual({ state: 'succeeded' });
  expect(await until('the newest is not', () => manager.results.get('dddddddd-2'))).toMatchObject({
    state: 'failed',
    code: 'FAILED_PRECONDITION',
  });
  await until('the list that is left is reported', () => {
    const last = manager.points.findLast(({ report }) => report.complete);
    return last?.report.points.length === 1 && last.report.points[0]?.sequence === 2;
  });
});

test('a full staging disk refuses the machine with STAGING_FULL, loses nothing, and goes on by itself when there is room', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  mountFileSystem('none', folder.path, 'tmpfs', 'size=256m');
  const filler = join(folder.path, 'filler');
  try {
    await using server = await ServerProcess.start(manager, folder.path);
    const port = await server.port();
    const image = createImage();
    {
      using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
      await sendWhole(agent, image);
      await agent.checkpoint('c-1', 1);
    }
    const free = (): number => statfsSync(folder.path).bavail * statfsSync(folder.path).bsize;
    await writeFile(filler, Buffer.alloc(free() - FLOOR_BYTES));
    // The store asks for free space now and then, not at each write; and the agent may see the end before the reason.
    await until('the machine is refused', async () => {
      try {
        using agent = await connectAgent(manager, MACHINE_ID, port);
        await sendWhole(agent, image);
        await agent.mark(2);
        return false;
      } catch (thrown) {
        return (thrown as { code?: string }).code === 'STAGING_FULL';
      }
    });
    await expect(connectAgent(manager, MACHINE_ID, port)).rejects.toMatchObject({ code: 'STAGING_FULL' });
    await until('the stall is reported', () => manager.statistics.find((entry) => entry.stallCause === 'STAGING_FULL'));
    await unlink(filler);
    using agent = await until('there is room again', () => connectAgent(manager, MACHINE_ID, port));
    expect(agent.answer.lastCheckpoint).toEqual({ checkpointId: 'c-1', sequence: 1 });
    await agent.write(image, 0, 10);
    expect(await agent.checkpoint('c-2', 3)).toBe(2);
    manager.assign([MACHINE], [task('verify', 'eeeeeeee-1', 1), task('verify', 'eeeeeeee-2', 2)]);
    for (const id of ['eeeeeeee-1', 'eeeeeeee-2']) {
      expect(await until('it is verified', () => manager.results.get(id))).toMatchObject({
        report: { mismatchedBlocks: 0, sha256: { 'disk-1': sha256(image) } },
      });
    }
    expect(await server.end('SIGTERM')).toBe(0);
  } finally {
    unmountFileSystem(folder.path);
  }
});

test('a removed machine: the session is cut, the folder goes, and what a kill left of it is deleted by the next process', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  const stays = { ...MACHINE, machineId: 'm-00000000000000000002' };
  manager.assign([MACHINE, stays]);
  const machines = join(folder.path, 'data/machines');
  {
    await using server = await ServerProcess.start(manager, folder.path);
    const port = await server.port();
    using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
    using other = await until('the other is assigned', () => connectAgent(manager, stays.machineId, port));
    await sendWhole(agent, createImage());
    await agent.checkpoint('c-1', 1);
    await other.zero(0, 1);
    manager.assign([stays], [], [MACHINE_ID]);
    expect(await next(agent.connection, 'error')).toMatchObject({ code: 'REMOVED' });
    await until('its folder is gone', () => !existsSync(join(machines, MACHINE_ID)));
    await until('nothing is left of it', () => readdirSync(machines).length === 1);
    expect(readdirSync(join(folder.path, 'data/fencing'))).toEqual([stays.machineId]);
    await expect(connectAgent(manager, MACHINE_ID, port)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await other.mark(1);
    await server.end('SIGKILL');
  }
  // As a kill between the rename and the last unlink leaves it.
  const aside = join(machines, `.removed-${MACHINE_ID}-0123abcd`);
  mkdirSync(join(aside, 'points/1'), { recursive: true });
  writeFileSync(join(aside, 'points/1/disk-0.raw'), 'x');
  const away = await manager.goAway();
  await using second = await ServerProcess.start(manager, folder.path);
  const port = await second.port();
  await until('it is deleted, also without the manager', () => !existsSync(aside));
  using other = await connectAgent(manager, stays.machineId, port);
  expect(other.answer.lastMark).toEqual({ mapEpoch: 'epoch-1', markId: 1 });
  await away.comeBack();
});
