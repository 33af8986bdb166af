// On one host: staging is taken away by the replication server, a process of its own, and is gone when the folder shows it.

import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { RemoveMachineRequest } from '@lms/proto';
import { StagingArea, type TestAgent } from '../harness/staging-area.ts';
import { until } from '../harness/until.ts';

const TEST_MILLISECONDS = 120_000;

async function replicate(area: StagingArea): Promise<TestAgent> {
  const agent = await area.enrol();
  await area.waitForStep(agent.machineId, 'AUTHENTICATE_WITH_SERVICE', 'SUCCEEDED');
  await until('the replication server has taken the machine', async () => {
    await agent.connect();
    return true;
  });
  await agent.sendData();
  await agent.mark(1);
  return agent;
}

function removal(idOrName: string): RemoveMachineRequest {
  return RemoveMachineRequest.fromPartial({ idOrName });
}

test(
  'a machine that the registry has removed is taken away without anybody else asking for it, and its session is cut',
  async () => {
    await using area = await StagingArea.prepare();
    await area.start();
    await using agent = await replicate(area);
    const { machineId } = agent;
    expect((await area.objects(machineId)).map(({ kind }) => kind)).toEqual(['FencingGeneration', 'StagingFolder']);
    const registry = await area.registryClient();
    await registry.removeMachine(removal(machineId));
    expect(await agent.lastWord()).toMatchObject({ type: 'error', code: 'REMOVED' });
    await until('nothing to be left', async () => (await area.objects(machineId)).length === 0);
    expect(await readdir(join(area.dataDirectory, 'machines'))).toEqual([]);
    await expect(agent.heartbeat()).rejects.toMatchObject({ code: 'REMOVED' });
    // Whoever asks again, by whatever it knows, gets nothing back.
    await expect(agent.connect()).rejects.toThrow();
    expect(existsSync(join(area.dataDirectory, 'machines', machineId))).toBe(false);
  },
  TEST_MILLISECONDS,
);

test(
  'a folder that nobody knows is listed, and goes when its removal is asked for; what is no machine stays',
  async () => {
    await using area = await StagingArea.prepare();
    const orphan = 'm-00000000000000000001';
    const machines = join(area.dataDirectory, 'machines');
    await mkdir(join(machines, orphan, 'points'), { recursive: true });
    await writeFile(join(machines, orphan, 'machine.json'), 'x');
    await mkdir(join(machines, 'by-hand'));
    await area.start();
    await using agent = await replicate(area);
    const listed = (await area.objects()).map(({ machineId, name }) => [machineId, name]);
    expect(listed).toContainEqual([orphan, `machines/${orphan}`]);
    expect(listed).toContainEqual(['', 'machines/by-hand']);
    const { objects } = await area.removeStaging(orphan);
    expect(objects.map(({ kind }) => kind)).toContain('StagingFolder');
    expect(objects.every(({ removing }) => removing)).toBe(true);
    await until('nothing to be left of it', async () => (await area.objects(orphan)).length === 0);
    expect((await readdir(machines)).sort()).toEqual(['by-hand', agent.machineId]);
    await expect(area.removeStaging('m-00000000000000000002')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await agent.sendData();
    await agent.mark(2);
  },
  TEST_MILLISECONDS,
);

test(
  'a removal that is asked for while no controller runs is carried out by the next one, with a new replication server',
  async () => {
    await using area = await StagingArea.prepare();
    await area.start();
    await using agent = await replicate(area);
    const { machineId } = agent;
    await area.stop();
    const registry = await area.registryClient();
    await registry.removeMachine(removal(machineId));
    expect(existsSync(join(area.dataDirectory, 'machines', machineId))).toBe(true);
    await area.start();
    await until('nothing to be left', async () => (await area.objects(machineId)).length === 0);
    expect(await readdir(join(area.dataDirectory, 'machines'))).toEqual([]);
  },
  TEST_MILLISECONDS,
);
