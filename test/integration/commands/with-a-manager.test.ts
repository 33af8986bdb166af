// Every exit code that needs a manager, produced for real: bin/lms and bin/lms-agent against one that runs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type {
  InitiationReport,
  JoinToken,
  Machine,
  MachineSettings,
  NetworkAnswer,
  Point,
  SettingsPreview,
} from '@lms/api';
import { Agent } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { runCommand } from '../../harness/command.ts';
import type { CommandResult } from '../../harness/command.ts';
import { waitFor } from '../../harness/condition.ts';
import { sha256OfDisk } from '../../harness/disk-content.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { LMS, LMS_AGENT } from '../../harness/operator.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';

const START_MILLISECONDS = 180_000;
const DISK_BYTES = 48 * 1024 * 1024;

const folder = await TemporaryFolder.create();
const cleanup = new Cleanup();
let manager: Manager;
let agent: Agent;
let disk: LoopDisk;

beforeAll(async () => {
  const dataFolder = join(folder.path, 'manager');
  manager = await Manager.create({ dataFolder, logFolder: folder.path, cleanup });
  await manager.start();
  disk = await LoopDisk.create({ folder: folder.path, name: 'source', sizeBytes: DISK_BYTES, cleanup });
  await disk.format('ext4');
  const stateFolder = join(folder.path, 'agent');
  agent = await Agent.start({
    manager,
    name: 'web',
    disks: [disk.device],
    stateFolder,
    logFolder: folder.path,
    cleanup,
  });
  await manager.waitForState('web', 'CONTINUOUS', '2m');
  // From here on points are made only by those who ask: which one is the newest is then no matter of luck.
  await manager.json('machine', 'settings', 'web', '--point-interval', '1d', '--freeze-interval', '1d');
}, START_MILLISECONDS);

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
  await folder[Symbol.asyncDispose]();
}, START_MILLISECONDS);

async function enrol(change: {
  readonly token: string;
  readonly caSha256?: string;
  readonly state?: string;
}): Promise<CommandResult> {
  const { caSha256, managerUrl } = await manager.createToken();
  const parameters = ['--manager', managerUrl, '--ca-sha256', change.caSha256 ?? caSha256, '--token-stdin'];
  const target = ['--state-dir', change.state ?? join(folder.path, 'other'), '--disk', disk.device, '--name', 'other'];
  return runCommand(LMS_AGENT, ['enrol', ...parameters, ...target], { input: change.token });
}

test('a wrong CA hash is exit 1, and the token is not used up by it', async () => {
  const { token } = await manager.createToken();
  const { exitCode, stderr } = await enrol({ token, caSha256: 'ab'.repeat(32) });
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('ab'.repeat(32))]);
  const { tokens } = await manager.json<{ tokens: JoinToken[] }>('token', 'list');
  expect(tokens.filter(({ usesLeft }) => usesLeft === 1).length).toBeGreaterThanOrEqual(2);
});

test('a token that is used up, revoked, expired or unknown is exit 1', async () => {
  const used = await manager.createToken();
  expect((await enrol({ token: used.token, state: join(folder.path, 'first') })).exitCode).toBe(0);
  cleanup.add('uninstall the first', async () => {
    await runCommand(LMS_AGENT, ['uninstall', '--state-dir', join(folder.path, 'first')]);
  });
  const revoked = await manager.json<JoinToken & { token: string }>('token', 'create');
  expect((await manager.command('token', 'revoke', revoked.id)).exitCode).toBe(0);
  const expired = await manager.json<JoinToken & { token: string }>('token', 'create', '--expires', '1s');
  await waitFor('the token to expire', () => Date.parse(expired.expiresAt) < Date.now());
  for (const token of [used.token, revoked.token, expired.token, 'nonsense']) {
    const { exitCode, stdout, stderr } = await enrol({ token });
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/token/);
    expect(stderr).not.toContain(token === 'nonsense' ? '\0' : token);
  }
});

test('a folder that is enrolled already is refused with exit 5, and keeps what it has', async () => {
  const identity = readFileSync(join(folder.path, 'agent/identity.json'), 'utf8');
  const { token } = await manager.createToken();
  const { exitCode, stderr } = await enrol({ token, state: join(folder.path, 'agent') });
  // The agent runs, so the folder is held as well: either is a refusal that names the folder.
  expect([1, 5]).toContain(exitCode);
  expect(stderr).toContain(join(folder.path, 'agent'));
  const idle = await enrol({ token, state: join(folder.path, 'first') });
  expect([idle.exitCode, idle.stderr]).toEqual([5, expect.stringContaining('enrolled already')]);
  expect(readFileSync(join(folder.path, 'agent/identity.json'), 'utf8')).toBe(identity);
});

test('a second run, and an uninstall, of an agent that runs are exit 1 and name the process', async () => {
  for (const command of ['run', 'uninstall']) {
    const { exitCode, stderr } = await runCommand(LMS_AGENT, [command, '--state-dir', join(folder.path, 'agent')]);
    expect([command, exitCode]).toEqual([command, 1]);
    expect(stderr).toContain(`process ${agent.process.pid}`);
  }
});

test('rules of a manager that only this host reaches need the address that others use: exit 2 names the option', async () => {
  const rules = ['network', 'rules', '--for', 'nftables', '--role', 'source'];
  const blockStream = ['--block-stream', '192.0.2.7:1500'];
  for (const [option, ...told] of [['--block-stream'], ['--manager', ...blockStream]]) {
    const { exitCode, stdout, stderr } = await manager.command(...rules, ...told);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`127.0.0.1 here, which no other machine reaches (${option})`);
  }
  const given = await manager.command(...rules, '--manager', '192.0.2.7', ...blockStream);
  expect(given.exitCode).toBe(0);
  const { port } = new URL((await manager.createToken()).managerUrl);
  for (const number of ['1500', port]) expect(given.stdout).toContain(`ip daddr { 192.0.2.7/32 } tcp dport ${number} `);
  expect(given.stderr).toContain('Put into force by: nft --file FILE');
  const network = await manager.json<NetworkAnswer>('network', 'ports');
  expect([network.driver, network.consoleUrl]).toEqual(['host', network.managerUrl]);
  expect((await manager.command('network', 'ports')).stdout).toContain('none is needed by the driver host');
});

test('a second manager on the same folder is exit 1 and names the process; a port in use is exit 1 too', async () => {
  const ports = ['--listen', '127.0.0.1:0', '--block-stream', '127.0.0.1:0'];
  const second = await runCommand(LMS, ['manager', '--data-dir', join(folder.path, 'manager'), ...ports]);
  expect([second.exitCode, second.stderr]).toEqual([1, expect.stringContaining(String(manager.process.pid))]);
  const { managerUrl } = await manager.createToken();
  const listen = ['--listen', new URL(managerUrl).host, '--block-stream', '127.0.0.1:0'];
  const taken = await runCommand(LMS, ['manager', '--data-dir', join(folder.path, 'taken'), ...listen]);
  expect([taken.exitCode, taken.stderr]).toEqual([1, expect.stringContaining(new URL(managerUrl).port)]);
});

test('what the manager does not know is exit 4', async () => {
  const output = join(folder.path, 'unknown.img');
  for (const parameters of [
    ['machine', 'show', 'nobody'],
    ['machine', 'wait', 'nobody', '--for', 'point=1'],
    ['machine', 'pause', 'nobody'],
    ['machine', 'logs', 'nobody'],
    ['token', 'revoke', '00000000-0000-4000-8000-000000000000'],
    ['point', 'list', 'nobody'],
    ['point', 'create', 'nobody', '--wait'],
    ['point', 'verify', 'web', '999999'],
    ['point', 'delete', 'web', '999999'],
    ['point', 'export', 'web', '999999', '--output', output],
    ['point', 'export', 'web', '1', '--disk', 'no-such-disk', '--output', output],
  ]) {
    const { exitCode, stdout, stderr } = await manager.command(...parameters);
    expect([parameters.join(' '), exitCode, stdout]).toEqual([parameters.join(' '), 4, '']);
    expect(stderr).toMatch(/^error: .+\n$/);
  }
});

test('a credential that is not accepted is exit 6', async () => {
  const path = join(folder.path, 'forged.json');
  const context = JSON.parse(readFileSync(manager.contextPath, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...context, apiToken: 'x'.repeat(43) }));
  const { exitCode } = await runCommand(LMS, ['--context', path, 'machine', 'list']);
  expect(exitCode).toBe(6);
});

test('a wait whose time is over is exit 3 and says how things are', async () => {
  const words = ['machine', 'wait', 'web', '--for', 'point=1000000', '--timeout', '1s'];
  const { exitCode, stderr } = await manager.command(...words);
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining('last point')]);
});

test('a point is made, found in the list, verified, exported equal to the source, and the newest is not deleted', async () => {
  const before = await manager.createPoint('web', 'filesystem');
  const point = await manager.createPoint('web', 'filesystem');
  expect(point.sequence).toBeGreaterThan(before.sequence);
  expect(point.disks).toHaveLength(1);
  const { points } = await manager.json<{ points: Point[] }>('point', 'list', 'web');
  expect(points.map(({ sequence }) => sequence)).toContain(point.sequence);
  const verified = await manager.json<{ mismatchedBlocks: number }>('point', 'verify', 'web', `${point.sequence}`);
  expect(verified.mismatchedBlocks).toBe(0);
  const output = join(folder.path, 'exported.img');
  const words = ['point', 'export', 'web', `${point.sequence}`, '--disk', disk.device, '--output', output];
  const exported = await manager.json<{ sha256: string; sizeBytes: number }>(...words);
  expect(exported).toMatchObject({ sizeBytes: DISK_BYTES, sha256: await sha256OfDisk(disk.device) });
  expect(await sha256OfDisk(output)).toBe(exported.sha256);
  const newest = (await manager.points('web')).at(-1);
  const refused = await manager.command('point', 'delete', 'web', `${newest?.sequence}`);
  expect([refused.exitCode, refused.stdout]).toEqual([5, '']);
  expect((await manager.command('point', 'delete', 'web', `${before.sequence}`)).exitCode).toBe(0);
  expect((await manager.points('web')).map(({ sequence }) => sequence)).not.toContain(before.sequence);
}, 120_000);

test('a pinned point survives retention and its replication server, and is deleted only when it is let go', async () => {
  const { sequence } = await manager.createPoint('web', 'crash');
  await manager.createPoint('web', 'crash');
  const pinned = async (): Promise<boolean | undefined> =>
    (await manager.points('web')).find((point) => point.sequence === sequence)?.pinned;
  expect((await manager.command('point', 'pin', 'web', String(sequence))).exitCode).toBe(0);
  expect(await pinned()).toBe(true);
  const refused = await manager.command('point', 'delete', 'web', String(sequence));
  expect([refused.exitCode, refused.stderr]).toEqual([5, expect.stringContaining('pinned')]);
  const { components } = await manager.ask((api, signal) => api.status(signal));
  process.kill(components.find(({ name }) => name === 'replication-server')?.pid ?? Number.NaN, 'SIGKILL');
  await manager.createPoint('web', 'crash');
  // What the replication server found beside the points is what it reports.
  expect(await pinned()).toBe(true);
  expect((await manager.command('point', 'unpin', 'web', String(sequence))).exitCode).toBe(0);
  expect((await manager.command('point', 'delete', 'web', String(sequence))).exitCode).toBe(0);
  expect((await manager.command('point', 'pin', 'web', String(sequence))).exitCode).toBe(4);
}, 120_000);

test('what is set for all holds for a machine unless something is set for it, and goes with --unset', async () => {
  const shown = (...words: string[]): Promise<MachineSettings> => manager.json('settings', 'show', ...words);
  const everywhere = ['--retention', '1h:1d', '--compression', 'off', '--bandwidth', '50Mbit/s'];
  const dry = await manager.json<SettingsPreview>('settings', 'set', '--dry-run', ...everywhere);
  const preview = dry.machines.find(({ name }) => name === 'web');
  expect(preview?.changes.map(({ setting }) => setting)).toEqual(['compression', 'retention', 'bandwidth']);
  expect((await shown()).overrides).toEqual([]);
  await manager.json('settings', 'set', ...everywhere);
  await manager.json('settings', 'set', '--machine', 'web', '--compression', 'on');
  expect(await shown('web')).toMatchObject({
    compression: 'on',
    retention: [{ everySeconds: 3_600, keepSeconds: 86_400 }],
    bandwidth: { limitBitsPerSecond: 50_000_000 },
    overrides: ['pointIntervalSeconds', 'freezeIntervalSeconds', 'compression'],
  });
  await manager.json('settings', 'set', '--machine', 'web', '--unset', 'compression');
  expect(await shown('web')).toMatchObject({ compression: 'off' });
  const back = ['retention', 'compression', 'bandwidth'].flatMap((name) => ['--unset', name]);
  expect(await manager.json<MachineSettings>('settings', 'set', ...back)).toMatchObject({ overrides: [] });
  expect((await shown('web')).compression).toBe('adaptive');
});

test('the proxy of the staging area is shown without its password, and what cannot be is wrong usage', async () => {
  const password = join(folder.path, 'proxy-password');
  writeFileSync(password, 'secret-of-the-proxy\n');
  const proxy = ['--staging-proxy', 'http://127.0.0.1:9', '--staging-proxy-user', 'lms'];
  const { stdout } = await manager.command(
    ...['settings', 'set', ...proxy, '--staging-proxy-password-file', password, '--staging-no-proxy', '127.0.0.1'],
  );
  expect(stdout).toContain('http://127.0.0.1:9, as lms');
  const shown = JSON.stringify(await manager.json('settings', 'show'));
  expect(shown).toContain('"passwordSet":true');
  expect(shown).not.toContain('secret-of-the-proxy');
  await manager.json('settings', 'set', '--no-staging-proxy');
  for (const words of [
    ['--machine', 'web', ...proxy],
    ['--retention', '1s:1d'],
    ['--bandwidth', '1kbit/s'],
    ['--time-zone', 'Mars/Olympus'],
    [],
  ]) {
    const { exitCode } = await manager.command('settings', 'set', ...words);
    expect([words, exitCode]).toEqual([words, 2]);
  }
});

test('an existing file is exit 1 and stays as it is; with --force it is replaced; nothing else is left', async () => {
  const output = join(folder.path, 'exports/existing.img');
  mkdirSync(join(folder.path, 'exports'));
  writeFileSync(output, 'precious');
  const sequence = (await manager.points('web')).at(-1)?.sequence ?? 0;
  const words = ['point', 'export', 'web', String(sequence), '--output', output];
  expect((await manager.command(...words)).exitCode).toBe(1);
  expect(readFileSync(output, 'utf8')).toBe('precious');
  expect((await manager.command(...words, '--force')).exitCode).toBe(0);
  expect(readFileSync(output).length).toBe(DISK_BYTES);
  expect((await runCommand('ls', [join(folder.path, 'exports')])).stdout).toBe('existing.img\n');
});

test('Ctrl-C of an export ends it by the signal, leaves no file, and the next one works', async () => {
  const exports = join(folder.path, 'interrupted');
  mkdirSync(exports);
  const output = join(exports, 'disk.img');
  const sequence = (await manager.points('web')).at(-1)?.sequence ?? 0;
  const words = ['point', 'export', 'web', String(sequence), '--output', output];
  const { components } = await manager.ask((api, signal) => api.status(signal));
  const replicationServer = components.find(({ name }) => name === 'replication-server')?.pid ?? Number.NaN;
  // So that the export is under way for as long as we want.
  process.kill(replicationServer, 'SIGSTOP');
  try {
    const exporting = spawn(LMS, ['--context', manager.contextPath, ...words], { stdio: 'ignore' });
    const ended = once(exporting, 'exit');
    await waitFor('the export to begin', () => existsSync(`${output}.tmp`));
    exporting.kill('SIGINT');
    expect(await ended).toEqual([null, 'SIGINT']);
    expect(readdirSync(exports)).toEqual([]);
  } finally {
    process.kill(replicationServer, 'SIGCONT');
  }
  expect((await manager.command(...words)).exitCode).toBe(0);
  expect(readdirSync(exports)).toEqual(['disk.img']);
  expect(await sha256OfDisk(output)).toBe(await sha256OfDisk(join(folder.path, 'exported.img')));
});

test('filesystem consistency while freezing is switched off is exit 5 and says what is possible', async () => {
  const mounted = await disk.mount();
  expect((await manager.command('machine', 'settings', 'web', '--freezing', 'off')).exitCode).toBe(0);
  const status = join(folder.path, 'agent');
  await waitFor('the agent to hear of it', async () => {
    const { stdout } = await runCommand(LMS_AGENT, ['status', '--state-dir', status, '-o', 'json']);
    return (JSON.parse(stdout) as { freezing: string }).freezing === 'off';
  });
  const refused = await manager.command('point', 'create', 'web', '--consistency', 'filesystem', '--wait');
  expect([refused.exitCode, refused.stderr]).toEqual([5, expect.stringContaining('crash')]);
  expect((await manager.command('machine', 'settings', 'web', '--freezing', 'on')).stdout).toMatch(/^freezing: +on$/m);
  await disk.unmount(mounted);
}, 120_000);

test('pause stops replication and resume goes on; a point of a paused machine is exit 5', async () => {
  expect((await manager.command('machine', 'pause', 'web', '--wait')).exitCode).toBe(0);
  await manager.waitForState('web', 'PAUSED', '1m');
  const refused = await manager.command('point', 'create', 'web', '--wait', '--timeout', '20s');
  expect([refused.exitCode, refused.stderr]).toEqual([5, expect.stringContaining('paused')]);
  expect((await manager.command('machine', 'resume', 'web', '--wait')).exitCode).toBe(0);
  await manager.waitForState('web', 'CONTINUOUS', '1m');
}, 120_000);

test('results have four forms, and what was logged and done is told', async () => {
  const { machines } = await manager.json<{ machines: Machine[] }>('machine', 'list');
  const web = machines.find(({ name }) => name === 'web');
  expect(web).toMatchObject({ replicationState: 'CONTINUOUS', agent: { connected: true } });
  expect((await manager.command('machine', 'show', 'web', '-o', 'name')).stdout).toBe(`${web?.id}\n`);
  expect((await manager.command('machine', 'show', 'web', '-o', 'yaml')).stdout).toContain('name: web');
  expect((await manager.command('machine', 'list')).stdout).toMatch(/^ID +NAME +REPLICATION/);
  const { steps } = await manager.json<InitiationReport>('machine', 'initiation', 'web');
  expect(steps.filter(({ state }) => state === 'FAILED')).toEqual([]);
  await waitFor('the agent to send its log', async () => {
    const { stdout } = await manager.command('machine', 'logs', 'web');
    return stdout.includes('the agent runs');
  });
});

test('an agent that is stopped exits 0, and a point that nobody can make is exit 3', async () => {
  await agent.stop();
  const { exitCode, stderr } = await manager.command('point', 'create', 'web', '--wait', '--timeout', '1s');
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining('web')]);
  const { stdout } = await runCommand(LMS_AGENT, ['status', '--state-dir', join(folder.path, 'agent'), '-o', 'json']);
  expect(JSON.parse(stdout)).toMatchObject({ running: false, pid: null, replicationState: null });
}, 60_000);
