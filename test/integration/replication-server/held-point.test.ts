/** A point whose export broke off stays, whatever retention says and however often the replication server dies. */
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { AssignedMachine, ReplicationTask } from '@lms/api';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';
import { ManagerDouble } from './manager-double.ts';
import { DISK_BLOCKS, DISK_BYTES, ServerProcess, connectAgent } from './server-process.ts';
import type { TestAgent } from './server-process.ts';

const MACHINE_ID = 'm-0123456789abcdef0123';
/** Of all points of a day only the newest stays. */
const MACHINE: AssignedMachine = {
  machineId: MACHINE_ID,
  name: 'machine',
  settings: { retention: [{ everySeconds: 86_400, keepSeconds: 86_400 }], floorBytes: 16 * 1024 * 1024 },
};

function exportTask(id: string, change: Partial<ReplicationTask> = {}): ReplicationTask {
  return { id, kind: 'export', machineId: MACHINE_ID, sequence: 1, diskId: 'disk-1', checkpointId: 'c-1', ...change };
}

/** Points that nobody asked for, until retention has left these only. */
async function checkpointsUntil(manager: ManagerDouble, agent: TestAgent, from: number, left: number[]): Promise<void> {
  await agent.checkpoint(`c-${from}`, from, '', '');
  await until(`only the points ${left.join(', ')} are left`, () => {
    const last = manager.points.findLast(({ report }) => report.complete);
    return JSON.stringify(last?.report.points.map(({ sequence }) => sequence)) === JSON.stringify(left);
  });
}

test('an export that broke off can go on after other points came and the server was killed; a deletion ends the hold', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign([MACHINE]);
  const image = randomBytes(DISK_BYTES);
  {
    await using first = await ServerProcess.start(manager, folder.path);
    const port = await first.port();
    using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
    for (let block = 0; block < DISK_BLOCKS; block += 10) await agent.write(image, block, 10);
    await agent.checkpoint('c-1', 1, '', '');
    const { receiptOf } = manager;
    manager.receiptOf = () => 'ff'.repeat(32);
    manager.assign([MACHINE], [exportTask('eeeeeeee-1')]);
    expect(await until('the export broke off', () => manager.results.get('eeeeeeee-1'))).toMatchObject({
      code: 'DATA_LOSS',
    });
    manager.receiptOf = receiptOf;
    // 2 goes when 3 comes; 1 would have gone before.
    await agent.checkpoint('c-2', 2, '', '');
    await checkpointsUntil(manager, agent, 3, [1, 3]);
    await first.end('SIGKILL');
  }
  await using second = await ServerProcess.start(manager, folder.path);
  const port = await second.port();
  using agent = await until('the machine is assigned', () => connectAgent(manager, MACHINE_ID, port));
  await checkpointsUntil(manager, agent, 4, [1, 4]);
  const offsetBytes = 1_000_003;
  manager.assign([MACHINE], [exportTask('eeeeeeee-2', { offsetBytes })]);
  expect(await until('the rest is exported', () => manager.results.get('eeeeeeee-2'))).toEqual({
    state: 'succeeded',
    sha256: createHash('sha256').update(image).digest('hex'),
  });
  expect(manager.exports.get('eeeeeeee-2')?.body.equals(image.subarray(offsetBytes))).toBe(true);
  manager.assign([MACHINE], [{ id: 'eeeeeeee-3', kind: 'delete', machineId: MACHINE_ID, sequence: 1 }]);
  expect(await until('it is deleted', () => manager.results.get('eeeeeeee-3'))).toEqual({ state: 'succeeded' });
});
