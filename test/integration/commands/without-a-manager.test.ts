// What both programs say and how they exit where no manager is needed, or none is there.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import { runCommand } from '../../harness/command.ts';
import { findFreePort } from '../../harness/free-port.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { LMS, LMS_AGENT } from '../../harness/operator.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';

const folder = await TemporaryFolder.create();
const cleanup = new Cleanup();
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
  await folder[Symbol.asyncDispose]();
});

async function nowhere(): Promise<string> {
  return `https://127.0.0.1:${await findFreePort()}`;
}

async function enrol(stateFolder: string, ...devices: readonly string[]) {
  const parameters = [
    '--manager',
    await nowhere(),
    '--ca-sha256',
    'ab'.repeat(32),
    '--token-stdin',
    '--state-dir',
    stateFolder,
  ];
  const disks = devices.flatMap((device) => ['--disk', device]);
  return runCommand(LMS_AGENT, ['enrol', ...parameters, ...disks], { input: 'token\n' });
}

test('both programs run from any folder and through symbolic links', async () => {
  const other = join(folder.path, 'elsewhere');
  mkdirSync(other);
  symlinkSync(LMS, join(other, 'direct'));
  symlinkSync('direct', join(other, 'relative'));
  for (const program of [join(other, 'relative'), LMS_AGENT]) {
    const { exitCode, stdout } = await runCommand('sh', ['-c', 'cd / && exec "$0" --version', program]);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  }
});

test('wrong usage is exit 2, says why on stderr, and prints nothing on stdout', async () => {
  for (const [program, ...parameters] of [
    [LMS],
    [LMS, 'point', 'copy', 'm', '1'],
    [LMS, 'settings', 'set', '--bandwidth', '5bit/s'],
    [LMS, 'machine', 'wait', 'm', '--for', 'replication=DONE'],
    [LMS_AGENT, 'run'],
    [LMS_AGENT, 'bandwidth'],
    [LMS_AGENT, 'bandwidth', '--disk', '/dev/x', '--limit', '50'],
    [LMS_AGENT, 'bandwidth', '--disk', '/dev/x', '--duration', '2d'],
    [
      LMS_AGENT,
      'enrol',
      '--manager',
      'http://plain',
      '--ca-sha256',
      'ab'.repeat(32),
      '--state-dir',
      'd',
      '--disk',
      '/dev/x',
    ],
    [
      LMS_AGENT,
      'enrol',
      '--manager',
      'https://m',
      '--ca-sha256',
      'ab'.repeat(32),
      '--state-dir',
      'd',
      '--disk',
      '/dev/x',
    ],
  ]) {
    const { exitCode, stdout, stderr } = await runCommand(program ?? '', parameters);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).not.toBe('');
  }
});

test('without a context, and with a manager that is not there, an operator gets exit 6', async () => {
  const context = join(folder.path, 'operator.json');
  writeFileSync(context, JSON.stringify({ managerUrl: await nowhere(), caPem: null, apiToken: 'secret' }));
  const without = await runCommand(LMS, ['machine', 'list'], { environment: { LMS_CONTEXT: undefined } });
  expect([without.exitCode, without.stderr]).toEqual([6, expect.stringContaining('--context')]);
  const missing = await runCommand(LMS, ['machine', 'list', '--context', '/nonexistent/operator.json']);
  expect(missing.exitCode).toBe(6);
  const away = await runCommand(LMS, ['machine', 'list'], { environment: { LMS_CONTEXT: context } });
  expect([away.exitCode, away.stderr]).toEqual([6, expect.stringContaining('cannot reach the manager')]);
  const waited = await runCommand(LMS, ['--context', context, 'status', '--wait', '1s']);
  expect([waited.exitCode, waited.stderr]).toEqual([3, expect.stringContaining('not healthy after 1s')]);
});

test('bandwidth of a device that cannot be used is exit 1, and names it', async () => {
  const { exitCode, stdout, stderr } = await runCommand(LMS_AGENT, ['bandwidth', '--disk', '/dev/nonexistent']);
  expect([exitCode, stdout]).toEqual([1, '']);
  expect(stderr).toContain('/dev/nonexistent');
});

test('a device that cannot be used is exit 1, names the device, and leaves no state behind', async () => {
  const state = join(folder.path, 'refused');
  const small = await LoopDisk.create({ folder: folder.path, name: 'small', sizeBytes: 65_536, cleanup });
  for (const device of ['/dev/does-not-exist', small.device, '/dev/zram0', '/dev/null', folder.path]) {
    const { exitCode, stderr } = await enrol(state, device);
    expect([device, exitCode]).toEqual([device, 1]);
    expect(stderr).toContain(device);
    expect((await runCommand('test', ['-e', state])).exitCode).toBe(1);
  }
});

test('a manager that is not there is exit 6 for an agent that enrols', async () => {
  const disk = await LoopDisk.create({ folder: folder.path, name: 'disk', sizeBytes: 8 * 1024 * 1024, cleanup });
  const { exitCode, stderr } = await enrol(join(folder.path, 'unreached'), disk.device);
  expect([exitCode, stderr]).toEqual([6, expect.stringContaining('cannot reach the manager')]);
});

test('one disk given twice is refused', async () => {
  const disk = await LoopDisk.create({ folder: folder.path, name: 'twice', sizeBytes: 8 * 1024 * 1024, cleanup });
  const { exitCode, stderr } = await enrol(join(folder.path, 'doubled'), disk.device, disk.device);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('the same disk')]);
});

test('what is not enrolled cannot run, has no status, and is uninstalled without complaint, twice', async () => {
  const parameters = ['--state-dir', join(folder.path, 'nothing')];
  for (const command of ['run', 'status']) {
    const { exitCode, stderr } = await runCommand(LMS_AGENT, [command, ...parameters]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('holds no enrolled agent')]);
  }
  for (const time of ['first', 'second']) {
    const { exitCode, stdout } = await runCommand(LMS_AGENT, ['uninstall', ...parameters, '-o', 'json']);
    expect([time, exitCode, JSON.parse(stdout)]).toEqual([time, 0, { removed: [] }]);
  }
});

test('the launchers are POSIX shell', () => {
  for (const path of [LMS, LMS_AGENT]) expect(readFileSync(path, 'utf8')).toMatch(/^#!\/bin\/sh\n/);
});
