// Exports that are cut off, by whatever there is between a disk and a file, and come to the same bytes all the same.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Point } from '@lms/api';
import { Agent } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { runCommand } from '../../harness/command.ts';
import type { CommandResult } from '../../harness/command.ts';
import { waitFor } from '../../harness/condition.ts';
import { sha256OfDisk } from '../../harness/disk-content.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { LMS } from '../../harness/operator.ts';
import { seededChoice } from '../../harness/seed.ts';
import { UnreliableProxy } from '../../harness/unreliable-proxy.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';

const START_MILLISECONDS = 180_000;
const MEBIBYTE = 1024 * 1024;
const DISK_BYTES = 48 * MEBIBYTE;
/** So that an export takes seconds, in which things can happen. */
const SLOW = 5 * MEBIBYTE;

const folder = await TemporaryFolder.create();
const cleanup = new Cleanup();
let manager: Manager;
let disk: LoopDisk;
let proxy: UnreliableProxy;
let contextPath: string;
let point: Point;
let sha256: string;
let output: string;
let tests = 0;

beforeAll(async () => {
  const dataFolder = join(folder.path, 'manager');
  manager = await Manager.create({ dataFolder, logFolder: folder.path, cleanup });
  await manager.start();
  disk = await LoopDisk.create({ folder: folder.path, name: 'source', sizeBytes: DISK_BYTES, cleanup });
  // Half of it data that nothing can compress, half of it holes.
  const source = await open(disk.device, 'r+');
  await source.write(randomBytes(24 * MEBIBYTE), 0, 24 * MEBIBYTE, 4 * MEBIBYTE);
  await source.sync();
  await source.close();
  const stateFolder = join(folder.path, 'agent');
  await Agent.start({
    manager,
    name: 'web',
    disks: [disk.device],
    stateFolder,
    logFolder: folder.path,
    cleanup,
  });
  await manager.waitForState('web', 'CONTINUOUS', '2m');
  await manager.json('machine', 'settings', 'web', '--point-interval', '1d', '--freeze-interval', '1d');
  point = await manager.createPoint('web', 'crash');
  sha256 = await sha256OfDisk(disk.device);
  const context = JSON.parse(readFileSync(manager.contextPath, 'utf8')) as { managerUrl: string };
  proxy = await UnreliableProxy.start(context.managerUrl);
  contextPath = join(folder.path, 'operator.json');
  writeFileSync(contextPath, JSON.stringify({ ...context, managerUrl: proxy.url }), { mode: 0o600 });
}, START_MILLISECONDS);

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  expect(await cleanup.run()).toEqual([]);
  await folder[Symbol.asyncDispose]();
}, START_MILLISECONDS);

beforeEach(() => {
  const own = join(folder.path, `export-${(tests += 1)}`);
  mkdirSync(own);
  output = join(own, 'disk.img');
});
afterEach(() => {
  proxy.mood = {};
});

const words = (...more: string[]): string[] => ['--context', contextPath, ...exportOf(point.sequence), ...more];
const exportOf = (sequence: number): string[] => ['point', 'export', 'web', String(sequence), '--output', output];
const exportDisk = (...more: string[]): Promise<CommandResult> => runCommand(LMS, words(...more, '-o', 'json'));
const files = (): string[] => readdirSync(join(output, '..')).sort();
const record = (): { durableBytes: number } =>
  JSON.parse(readFileSync(`${output}.tmp.json`, 'utf8')) as { durableBytes: number };

async function expectEqual({ exitCode, stdout, stderr }: CommandResult): Promise<void> {
  expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
  expect(JSON.parse(stdout)).toMatchObject({ sizeBytes: DISK_BYTES, sha256 });
  expect(await sha256OfDisk(output)).toBe(sha256);
  expect(files()).toEqual(['disk.img']);
}

/** Begins an export, slowly, and ends it by this signal once a part of it is on the disk. */
async function interrupt(signal: NodeJS.Signals, ...more: string[]): Promise<void> {
  proxy.mood = { bytesPerSecond: SLOW };
  const exporting = spawn(LMS, words(...more), { stdio: 'ignore' });
  const ended = once(exporting, 'exit');
  await waitFor('a part to be durable', () => existsSync(`${output}.tmp.json`) && record().durableBytes > 0);
  exporting.kill(signal);
  expect(await ended).toEqual([null, signal]);
  proxy.mood = {};
}

/** Does something to an export that goes on, slowly, in the middle of it. */
async function during(what: () => Promise<void>): Promise<CommandResult> {
  proxy.mood = { bytesPerSecond: SLOW };
  const before = proxy.forwardedBytes;
  const exporting = exportDisk();
  await waitFor('the export to be in the middle', () => proxy.forwardedBytes - before > 12 * MEBIBYTE);
  await what();
  proxy.mood = {};
  return exporting;
}

async function replicationServerPid(): Promise<number> {
  const { components } = await manager.ask((api, signal) => api.status(signal));
  return components.find(({ name }) => name === 'replication-server')?.pid ?? Number.NaN;
}

test('connections that are cut again and again, anywhere, come to the same disk', async () => {
  const choice = seededChoice('where connections are cut');
  for (let round = 0; round < 3; round += 1) {
    proxy.mood = { cutAfterBytes: () => 4_000 + choice.below(9 * MEBIBYTE) };
    const cuts = proxy.cuts;
    await expectEqual(await exportDisk('--force'));
    expect(proxy.cuts - cuts).toBeGreaterThanOrEqual(4);
  }
}, 300_000);

test('the point knows its SHA-256 once it was exported', async () => {
  const points = await manager.points('web');
  expect(points.find(({ sequence }) => sequence === point.sequence)?.disks[0]?.sha256).toBe(sha256);
});

test('a replication server that is killed in the middle comes back, and the export goes on', async () => {
  const other = await manager.createPoint('web', 'crash');
  point = other;
  const result = await during(async () => {
    process.kill(await replicationServerPid(), 'SIGKILL');
  });
  await expectEqual(result);
}, 300_000);

test('a manager that is killed in the middle comes back, and the export goes on', async () => {
  const result = await during(async () => {
    await manager.process.kill();
    await manager.start();
  });
  await expectEqual(result);
}, 300_000);

test('an export that was killed goes on with --resume, and loads only what is missing', async () => {
  await interrupt('SIGKILL');
  const { durableBytes } = record();
  const before = proxy.forwardedBytes;
  await expectEqual(await exportDisk('--resume'));
  expect(proxy.forwardedBytes - before).toBeLessThan(DISK_BYTES - durableBytes + 2 * MEBIBYTE);
}, 300_000);

test('Ctrl-C leaves what came where --resume was given, and nothing where it was not', async () => {
  await interrupt('SIGINT', '--resume');
  expect(files()).toEqual(['disk.img.tmp', 'disk.img.tmp.json']);
  await interrupt('SIGINT', '--resume');
  await expectEqual(await exportDisk('--resume'));
  await interrupt('SIGINT', '--force');
  expect(files()).toEqual(['disk.img']);
}, 300_000);

test('a file that was damaged meanwhile is found by its SHA-256: exit 1, and nothing is left of it', async () => {
  await interrupt('SIGKILL');
  const file = await open(`${output}.tmp`, 'r+');
  await file.write(Buffer.from('rot'), 0, 3, 100_000);
  await file.close();
  const { exitCode, stderr } = await exportDisk('--resume');
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(sha256)]);
  expect(stderr).toContain('from its beginning');
  expect(files()).toEqual([]);
  await expectEqual(await exportDisk('--resume'));
}, 300_000);

test('the beginning of another point is refused with exit 1 and stays; without --resume it is replaced', async () => {
  await interrupt('SIGKILL');
  const begun = readFileSync(`${output}.tmp`);
  const other = await manager.createPoint('web', 'crash');
  const resumed = await runCommand(LMS, ['--context', contextPath, ...exportOf(other.sequence), '--resume']);
  expect([resumed.exitCode, resumed.stderr]).toEqual([1, expect.stringContaining(`point ${point.sequence}`)]);
  expect(readFileSync(`${output}.tmp`).equals(begun)).toBe(true);
  const anew = await runCommand(LMS, ['--context', contextPath, ...exportOf(other.sequence)]);
  expect([anew.exitCode, files()]).toEqual([0, ['disk.img']]);
}, 300_000);

test('an export whose point was deleted meanwhile is exit 4, and keeps what it has', async () => {
  await interrupt('SIGKILL');
  await manager.createPoint('web', 'crash');
  // What broke off holds the point against retention, not against who wants it gone.
  const deleted = await waitFor('the export to be over', async () => {
    const result = await manager.command('point', 'delete', 'web', String(point.sequence));
    return result.exitCode !== 5 && result;
  });
  expect(deleted.exitCode).toBe(0);
  const { exitCode, stderr } = await exportDisk('--resume');
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining(`no point ${point.sequence}`)]);
  expect(files()).toEqual(['disk.img.tmp', 'disk.img.tmp.json']);
}, 300_000);

test('a manager that does not come back is exit 3 after --timeout, and says how to go on', async () => {
  point = (await manager.points('web')).at(-1) ?? point;
  const before = proxy.forwardedBytes;
  // A part comes, and then no connection lives to the end of its handshake.
  proxy.mood = { cutAfterBytes: () => (proxy.forwardedBytes - before < 10 * MEBIBYTE ? 12 * MEBIBYTE : 500) };
  const { exitCode, stderr } = await exportDisk('--timeout', '2s');
  proxy.mood = {};
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining('--resume')]);
  await expectEqual(await exportDisk('--resume'));
}, 300_000);
