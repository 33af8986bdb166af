import { afterEach, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SupervisedProcess, type ProcessCommand, type ProcessState } from '@lms/service';
import { createLogger } from '@lms/telemetry';
import { Cleanup } from '../../harness/cleanup.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(90_000);

const cleanup = new Cleanup();
afterEach(async () => {
  expect(await cleanup.run()).toEqual([]);
});

function isAlive(pid: number): boolean {
  // A zombie is no process any more; its parent (the init of a container) may take its time.
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

async function makeFolder(): Promise<string> {
  const folder = await TemporaryFolder.create();
  cleanup.add('folder', () => folder[Symbol.asyncDispose]());
  return folder.path;
}

function supervise(stateFile: string, command: ProcessCommand, onChange?: (state: ProcessState) => void) {
  const supervised = new SupervisedProcess({
    name: 'child',
    stateFile,
    command: () => Promise.resolve(command),
    logger: createLogger('test', { level: 'fatal' }),
    restartLimits: { firstMilliseconds: 1, longestMilliseconds: 10 },
    ...(onChange && { onChange }),
  });
  cleanup.add('child', () => supervised.stop());
  return supervised;
}

const SLEEP = { program: 'sleep', arguments: ['600'] };
const runningPid = (supervised: SupervisedProcess) =>
  until('the child runs', () => (supervised.state.phase === 'running' ? supervised.state.pid : null));

test('a child that is killed is started again, and ends with its supervisor', async () => {
  const supervised = supervise(join(await makeFolder(), 'child'), SLEEP);
  supervised.start();
  const first = await runningPid(supervised);
  process.kill(first, 'SIGKILL');
  const second = await until('another child runs', () => {
    const { pid } = supervised.state;
    return pid !== first && pid;
  });
  expect(supervised.state.failure?.message).toBe('child was ended by SIGKILL');
  await supervised.stop();
  expect([isAlive(first), isAlive(second)]).toEqual([false, false]);
  expect(supervised.state.phase).toBe('stopped');
});

test('a service that cannot start says why, with each attempt counted', async () => {
  const main = join(import.meta.dirname, 'failing-service.fixture.ts');
  const supervised = supervise(join(await makeFolder(), 'child'), { program: process.execPath, arguments: [main] });
  supervised.start();
  const { failure, nextAttemptAt } = await until('the second failure', () => {
    const { state } = supervised;
    return state.phase === 'waiting' && state.attempt >= 2 && state;
  });
  expect(failure).toEqual({ code: 'UNAUTHENTICATED', message: 'the token is used up. Make another.' });
  expect(nextAttemptAt).toBeInstanceOf(Date);
});

test('a program that is not there is a failure and not a crash', async () => {
  const supervised = supervise(join(await makeFolder(), 'child'), { program: '/nowhere/program', arguments: [] });
  supervised.start();
  const { failure } = await until('the failure', () => supervised.state.phase === 'waiting' && supervised.state);
  expect(failure?.message).toContain('ENOENT');
});

test('a child that ignores SIGTERM is killed', async () => {
  const stateFile = join(await makeFolder(), 'child');
  const ignoring = {
    program: 'sh',
    arguments: ['-c', 'trap "" TERM; echo > "$0.deaf"; while :; do sleep 0.1; done', stateFile],
  };
  const supervised = new SupervisedProcess({
    name: 'child',
    stateFile,
    command: () => Promise.resolve(ignoring),
    logger: createLogger('test', { level: 'fatal' }),
    stopTimeoutMilliseconds: 100,
  });
  supervised.start();
  const pid = await runningPid(supervised);
  await until('it ignores SIGTERM', () => existsSync(`${stateFile}.deaf`));
  await supervised.stop();
  expect(isAlive(pid)).toBe(false);
});

test('the orphan of a supervisor that was killed is ended by the next one, known by its lock', async () => {
  const stateFile = join(await makeFolder(), 'child');
  const fixture = join(import.meta.dirname, 'supervisor.fixture.ts');
  const supervisor = spawn(process.execPath, [fixture, stateFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanup.add('supervisor', () => void supervisor.kill('SIGKILL'));
  const [line] = (await once(supervisor.stdout, 'data')) as [Buffer];
  const orphan = Number(line.toString());
  cleanup.add('orphan', () => {
    if (isAlive(orphan)) process.kill(orphan, 'SIGKILL');
  });
  const ended = once(supervisor, 'exit');
  supervisor.kill('SIGKILL');
  await ended;
  expect(isAlive(orphan)).toBe(true);
  const supervised = supervise(stateFile, SLEEP);
  supervised.start();
  const pid = await runningPid(supervised);
  expect(pid).not.toBe(orphan);
  await until('the orphan has ended', () => !isAlive(orphan));
});
