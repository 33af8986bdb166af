// A machine that replicates is removed for good: by commands, with a real disk, a real agent and the embedded manager.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDispatcher } from '@lms/api';
import type { Machine, OperatorOptions, StagingObject } from '@lms/api';
import { request } from 'undici';
import { Agent } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { requireCommand, runCommand } from '../../harness/command.ts';
import { waitFor } from '../../harness/condition.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { LMS, LMS_AGENT } from '../../harness/operator.ts';
import { OutsideTraceInstance } from '../../harness/trace-instance.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';

const START_MILLISECONDS = 180_000;
const TEST_MILLISECONDS = 180_000;
const DISK_BYTES = 48 * 1024 * 1024;

interface Removed {
  readonly machineId: string;
  readonly name: string;
  readonly removed: readonly { readonly kind: string; readonly name: string }[];
}

interface Status {
  readonly running: boolean;
  readonly removedAt: string | null;
  readonly replicationState: string | null;
  readonly detail: string | null;
}

const folder = await TemporaryFolder.create();
const cleanup = new Cleanup();
const dataFolder = join(folder.path, 'manager');
const machines = join(dataFolder, 'replication-server/machines');
const stateFolder = join(folder.path, 'agent');
let manager: Manager;
let agent: Agent;
let disk: LoopDisk;
let machineId = '';

function createAgent(name: string, state: string): Agent {
  return new Agent({ manager, name, disks: [disk.device], stateFolder: state, logFolder: folder.path, cleanup });
}

beforeAll(async () => {
  manager = await Manager.create({ dataFolder, logFolder: folder.path, cleanup });
  await manager.start();
  disk = await LoopDisk.create({ folder: folder.path, name: 'source', sizeBytes: DISK_BYTES, cleanup });
  await requireCommand('dd', ['if=/dev/urandom', `of=${disk.device}`, 'bs=1M', 'count=48', 'status=none']);
  agent = createAgent('web', stateFolder);
  await agent.enrol();
  agent.start();
  await manager.waitForState('web', 'CONTINUOUS', '2m');
  // From here on points are made only by those who ask: the newest one stays while it is exported.
  await manager.json('machine', 'settings', 'web', '--point-interval', '1d', '--freeze-interval', '1d');
  await manager.createPoint('web', 'crash');
  ({ id: machineId } = await manager.machine('web'));
}, START_MILLISECONDS);

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
  await folder[Symbol.asyncDispose]();
}, START_MILLISECONDS);

async function stagingOf(idOrName: string): Promise<readonly StagingObject[]> {
  return (await manager.json<{ objects: StagingObject[] }>('machine', 'staging', idOrName)).objects;
}

async function status(state: string): Promise<Status> {
  return JSON.parse(await requireCommand(LMS_AGENT, ['status', '--state-dir', state, '-o', 'json'])) as Status;
}

/** `lms machine remove` on a terminal, with this typed into it. */
async function removeOnTerminal(typed: string): Promise<{ exitCode: number; said: string }> {
  const command = `${LMS} --context ${manager.contextPath} machine remove web`;
  const { exitCode, stdout } = await runCommand('script', ['-qec', command, '/dev/null'], { input: typed });
  return { exitCode, said: stdout };
}

test('what is there is listed, of one machine and of all', async () => {
  const objects = await stagingOf('web');
  expect(objects).toEqual([
    { machineId, kind: 'FencingGeneration', name: `fencing/${machineId}`, removing: false },
    { machineId, kind: 'StagingFolder', name: `machines/${machineId}`, removing: false },
  ]);
  expect((await manager.json<{ objects: StagingObject[] }>('staging', 'list')).objects).toEqual(objects);
  expect((await manager.command('machine', 'staging', machineId, '-o', 'name')).stdout).toContain('StagingFolder/');
});

test('without a terminal and without --yes it is exit 2; a name that nobody knows is exit 4; nothing is removed', async () => {
  const unasked = await manager.command('machine', 'remove', 'web');
  expect([unasked.exitCode, unasked.stdout]).toEqual([2, '']);
  expect(unasked.stderr).toContain('--yes');
  for (const nobody of ['nobody', 'm-00000000000000000000']) {
    const { exitCode, stdout } = await manager.command('machine', 'remove', nobody, '--yes');
    expect([nobody, exitCode, stdout]).toEqual([nobody, 4, '']);
  }
  expect((await manager.machine('web')).id).toBe(machineId);
});

test('on a terminal the name of the machine has to be typed; anything else removes nothing', async () => {
  for (const typed of ['yes\n', '\n']) {
    const { exitCode, said } = await removeOnTerminal(typed);
    expect([typed, exitCode]).toEqual([typed, 1]);
    expect(said).toContain(`web (${machineId})`);
    expect(said).toContain('nothing was removed');
  }
  expect((await manager.machine('web')).id).toBe(machineId);
});

test(
  'while a point of it is exported it is refused with exit 5, and says what is possible',
  async () => {
    const output = join(folder.path, 'disk.img');
    const sequence = String((await manager.points('web')).at(-1)?.sequence);
    const { components } = await manager.ask((api, signal) => api.status(signal));
    const replicationServer = components.find(({ name }) => name === 'replication-server')?.pid ?? Number.NaN;
    // So that the export is under way for as long as we want.
    process.kill(replicationServer, 'SIGSTOP');
    const words = ['point', 'export', 'web', sequence, '--output', output];
    const exporting = spawn(LMS, ['--context', manager.contextPath, ...words], { stdio: 'ignore' });
    const ended = once(exporting, 'exit');
    try {
      const refused = await waitFor('the export to be under way', async () => {
        // With a condition that never holds, so that it removes nothing before the export has begun.
        const code = await codeOfRemoval('"1"');
        return code === 'FAILED_PRECONDITION' && (await manager.command('machine', 'remove', 'web', '--yes'));
      });
      expect([refused.exitCode, refused.stdout]).toEqual([5, '']);
      expect(refused.stderr).toContain('being exported');
    } finally {
      process.kill(replicationServer, 'SIGCONT');
    }
    expect(await ended).toEqual([0, null]);
  },
  TEST_MILLISECONDS,
);

test(
  'removed with --wait: nothing is left, space is free, its agent says what is next, and its name is free',
  async () => {
    const before = await stagingOf('web');
    const bytesBefore = await usedBytes();
    expect(bytesBefore).toBeGreaterThan(DISK_BYTES);

    const removed = await manager.json<Removed>('machine', 'remove', 'web', '--yes', '--wait', '--timeout', '1m');
    expect(removed).toMatchObject({ machineId, name: 'web' });
    const kinds = removed.removed.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(before.map(({ kind }) => kind)));

    expect(readdirSync(machines)).toEqual([]);
    expect(existsSync(join(dataFolder, 'replication-server/fencing', machineId))).toBe(false);
    expect(await usedBytes()).toBeLessThan(bytesBefore - DISK_BYTES);
    expect(await stagingOf(machineId)).toEqual([]);
    expect((await manager.json<{ machines: Machine[] }>('machine', 'list')).machines).toEqual([]);
    for (const gone of ['web', machineId]) {
      for (const words of [
        ['machine', 'show', gone],
        ['machine', 'pause', gone],
        ['point', 'list', gone],
      ]) {
        expect([words.join(' '), (await manager.command(...words)).exitCode]).toEqual([words.join(' '), 4]);
      }
    }
    const shown = await manager.command('machine', 'show', machineId);
    expect(shown.stderr).toContain('was removed');

    const told = await waitFor('the agent to be told', async () => {
      const now = await status(stateFolder);
      return now.removedAt !== null && now;
    });
    expect(told).toMatchObject({ running: true, replicationState: 'STOPPED' });
    expect(told.detail).toContain(`lms-agent uninstall --state-dir ${stateFolder}`);
    expect(readdirSync(machines)).toEqual([]);
  },
  TEST_MILLISECONDS,
);

test('its agent ends tracking, neither crashes nor chatters, and begins nothing when it is started again', async () => {
  await waitFor('the agent to have said what is next', () => agent.process.log().includes('lms-agent uninstall'));
  await expect(OutsideTraceInstance.open(stateFolder, folder.path, cleanup)).rejects.toThrow('no trace instance');
  const lines = agent.process.log().split('\n').length;
  expect(agent.process.running).toBe(true);
  await agent.stop();
  // Also of the manager's forgetting: the agent has kept it.
  agent.start();
  await waitFor('the agent to say it again', () => agent.process.log().split('lms-agent uninstall').length > 2);
  expect((await status(stateFolder)).removedAt).not.toBeNull();
  await agent.stop();
  expect(agent.process.exitCode).toBe(0);
  expect(agent.process.log().split('\n').length).toBeLessThanOrEqual(lines + 2);
});

test('a repetition says that it is gone, by id and by the name that it had', async () => {
  for (const again of [machineId, 'web']) {
    const removed = await manager.json<Removed>('machine', 'remove', again, '--yes', '--wait');
    expect(removed).toEqual({ machineId, name: 'web', removed: [] });
  }
  const { stdout } = await manager.command('machine', 'remove', machineId, '--yes');
  expect(stdout).toContain('had been removed before');
});

test(
  'the same host enrols again under the same name, and is another machine',
  async () => {
    await agent.uninstall();
    expect(existsSync(stateFolder)).toBe(false);
    agent = createAgent('web', join(folder.path, 'agent-2'));
    await agent.enrol();
    agent.start();
    await manager.waitForState('web', 'CONTINUOUS', '2m');
    const again = await manager.machine('web');
    expect(again.id).not.toBe(machineId);
    expect(readdirSync(machines)).toEqual([again.id]);
    // By its old id it is still the old one; on a terminal the new one goes when its name is typed.
    const old = await manager.json<Removed>('machine', 'remove', machineId, '--yes', '--wait');
    expect(old.removed).toEqual([]);
    const { exitCode, said } = await removeOnTerminal('web\n');
    expect([exitCode, said]).toEqual([0, expect.stringContaining(again.id)]);
    await waitFor('nothing to be left of it', () => readdirSync(machines).length === 0);
  },
  TEST_MILLISECONDS,
);

test(
  'the manager is killed right after it took a removal: the next one finishes it, and the agent is told',
  async () => {
    await agent.uninstall();
    const state = join(folder.path, 'agent-3');
    agent = createAgent('db', state);
    await agent.enrol();
    agent.start();
    await manager.waitForState('db', 'CONTINUOUS', '2m');
    const { id } = await manager.machine('db');
    expect((await manager.json<Removed>('machine', 'remove', 'db', '--yes')).machineId).toBe(id);
    await manager.process.kill();
    await manager.start();
    await waitFor('nothing to be left of it', async () => (await stagingOf(id)).length === 0);
    expect(readdirSync(machines)).toEqual([]);
    await waitFor('the agent to be told', async () => (await status(state)).removedAt !== null);
    expect((await manager.json<{ machines: Machine[] }>('machine', 'list')).machines).toEqual([]);
  },
  TEST_MILLISECONDS,
);

async function codeOfRemoval(ifMatch: string): Promise<string> {
  const context = JSON.parse(readFileSync(manager.contextPath, 'utf8')) as OperatorOptions;
  const dispatcher = createDispatcher(context.caPem);
  try {
    const answer = await request(`${context.managerUrl}/v1/machines/web`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${context.apiToken}`, 'if-match': ifMatch },
      dispatcher,
    });
    return ((await answer.body.json()) as { code: string }).code;
  } finally {
    await dispatcher.destroy();
  }
}

async function usedBytes(): Promise<number> {
  const stdout = await requireCommand('du', ['-s', '--block-size=1', join(dataFolder, 'replication-server')]);
  return Number(stdout.split('\t')[0]);
}
