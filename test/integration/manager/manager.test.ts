// The manager as its user has it, and what is left of it when it, or a part of it, is killed.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JoinToken, Status } from '@lms/api';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { runCommand } from '../../harness/command.ts';
import { Manager } from '../../harness/manager.ts';
import { LMS } from '../../harness/operator.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

const TEST_MILLISECONDS = 180_000;
const COMPONENTS = [
  'nats',
  'gateway',
  'registry',
  'stats-ingest',
  'log-ingest',
  'staging-controller',
  'replication-server',
];

const folder = await TemporaryFolder.create();
const dataFolder = join(folder.path, 'data');
const cleanup = new Cleanup();
let manager: Manager;
let first: Status;

beforeAll(async () => {
  manager = await Manager.create({ dataFolder, logFolder: folder.path, cleanup });
  first = await manager.start();
}, TEST_MILLISECONDS);
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
  await folder[Symbol.asyncDispose]();
}, TEST_MILLISECONDS);

function pidOf(status: Status, component: string): number {
  const pid = status.components.find(({ name }) => name === component)?.pid;
  if (pid === undefined || pid === null) throw new Error(`status shows no pid of ${component}`);
  return pid;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Status when all is well again and `component` lives in another process than before. */
function replaced(component: string, before: number): Promise<Status> {
  return until(`another ${component}`, async () => {
    const status = await manager.json<Status>('status');
    return status.healthy && pidOf(status, component) !== before && status;
  });
}

async function tokenIds(): Promise<readonly string[]> {
  const { tokens } = await manager.json<{ tokens: JoinToken[] }>('token', 'list');
  return tokens.map(({ id }) => id);
}

test('status has a row for each component, with the process that it lives in', () => {
  expect(first.components.map(({ name }) => name)).toEqual(COMPONENTS);
  expect(first.components.every(({ healthy }) => healthy)).toBe(true);
  const own = manager.process.pid;
  expect(pidOf(first, 'registry')).toBe(own);
  expect(new Set(COMPONENTS.map((name) => pidOf(first, name))).size).toBe(3);
});

test('what opens the manager is for its owner only, and its log is lines of JSON', () => {
  expect(statSync(manager.contextPath).mode & 0o777).toBe(0o600);
  expect(statSync(dataFolder).mode & 0o777).toBe(0o700);
  for (const secret of ['nats/nats.conf', 'nats/password', 'ca/ca-key.pem', 'replication-server/bootstrap-token']) {
    expect([secret, statSync(join(dataFolder, secret)).mode & 0o777]).toEqual([secret, 0o600]);
  }
  const lines = manager.process.log().trim().split('\n');
  const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
  expect(messages).toContain('ready');
});

test('a second manager on the same folder is exit 1, and says which process holds it', async () => {
  const { exitCode, stderr } = await runCommand(LMS, ['manager', '--data-dir', dataFolder, '--listen', '127.0.0.1:0']);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`held by process ${manager.process.pid}`)]);
});

test(
  'a port in use is exit 1 with a line that names it, and leaves nothing running',
  async () => {
    const other = join(folder.path, 'other');
    const { host } = new URL(first.managerUrl);
    const { exitCode, stderr } = await runCommand(LMS, ['manager', '--data-dir', other, '--listen', host]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(host)]);
    const natsPid = Number(readFileSync(join(other, 'nats/nats.pid'), 'utf8'));
    expect(isAlive(natsPid)).toBe(false);
  },
  TEST_MILLISECONDS,
);

test(
  'NATS that is killed is started again, and nothing that was stored is lost',
  async () => {
    const before = pidOf(await manager.json<Status>('status'), 'nats');
    await manager.createToken();
    const tokens = await tokenIds();
    process.kill(before, 'SIGKILL');
    await replaced('nats', before);
    expect(await tokenIds()).toEqual(tokens);
    await manager.createToken();
    expect(await tokenIds()).toHaveLength(tokens.length + 1);
  },
  TEST_MILLISECONDS,
);

test(
  'a replication server that is killed is started again on its port',
  async () => {
    const status = await manager.json<Status>('status');
    const before = pidOf(status, 'replication-server');
    process.kill(before, 'SIGKILL');
    const after = await replaced('replication-server', before);
    expect(after.blockStream).toBe(status.blockStream);
  },
  TEST_MILLISECONDS,
);

test(
  'after kill -9 of the manager the next one ends its orphans and goes on where it stopped',
  async () => {
    const before = await manager.json<Status>('status');
    const orphans = [pidOf(before, 'nats'), pidOf(before, 'replication-server')];
    const tokens = await tokenIds();
    const context = readFileSync(manager.contextPath, 'utf8');
    await manager.process.kill();
    expect(orphans.map(isAlive)).toEqual([true, true]);
    const after = await manager.start();
    expect(after.healthy).toBe(true);
    expect(orphans.map(isAlive)).toEqual([false, false]);
    expect([after.managerUrl, after.blockStream]).toEqual([before.managerUrl, before.blockStream]);
    expect(await tokenIds()).toEqual(tokens);
    expect(readFileSync(manager.contextPath, 'utf8')).toBe(context);
  },
  TEST_MILLISECONDS,
);

test(
  'SIGTERM is exit 0 and leaves no process; JetStream that was lost is made anew at the next start',
  async () => {
    const before = await manager.json<Status>('status');
    await manager.stop();
    expect([pidOf(before, 'nats'), pidOf(before, 'replication-server')].map(isAlive)).toEqual([false, false]);
    await rm(join(dataFolder, 'nats/store'), { recursive: true });
    const after = await manager.start();
    expect(after.healthy).toBe(true);
    expect(await tokenIds()).toEqual([]);
    await manager.createToken();
  },
  TEST_MILLISECONDS,
);

test(
  'a manager that was given any port keeps it over a restart: agents have its URL',
  async () => {
    const anyPort = join(folder.path, 'any-port');
    const start = async (): Promise<Status> => {
      const parameters = ['manager', '--data-dir', anyPort, '--listen', '127.0.0.1:0', '--block-stream', '127.0.0.1:0'];
      const logPath = join(folder.path, 'any-port.log');
      const running = new BackgroundProcess({ program: LMS, parameters, logPath });
      cleanup.add('stop the manager on any port', () => running.stop());
      const question = ['--context', join(anyPort, 'operator.json'), 'status', '--wait', '90s', '-o', 'json'];
      const status = JSON.parse((await runCommand(LMS, question)).stdout) as Status;
      await running.stop();
      return status;
    };
    const before = await start();
    const after = await start();
    expect([after.managerUrl, after.blockStream]).toEqual([before.managerUrl, before.blockStream]);
  },
  TEST_MILLISECONDS,
);
