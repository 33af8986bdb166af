/** On the real kernel, as root: file systems are frozen, and thawed whoever dies (R16, R17). */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync, readFileSync } from 'node:fs';
import { freezeFileSystem, thawFileSystem } from '@lms/linux';
import type { GuardianReport } from '../core/guardian.ts';
import { freezeListPath } from './freeze/freeze-list.ts';
import { GuardianExecutor } from './freeze/guardian-executor.ts';
import { openFreezer, openSourceDisks, type KernelFreezer, type OpenSourceDisk } from './index.ts';
import { TestMachine, processState, run, until } from './testing/loop-disks.ts';

const MIB = 1024 * 1024;
const LIMIT_MILLISECONDS = 2000;
/** Longer than any test takes: who is thawed was not thawed by the limit. */
const LONG_LIMIT_MILLISECONDS = 600_000;
let machine: TestMachine;

beforeEach(() => {
  machine = new TestMachine();
});

afterEach(async () => {
  await machine.cleanup();
});

async function openDisks(...devices: string[]): Promise<OpenSourceDisk[]> {
  const disks = await openSourceDisks(devices);
  machine.onCleanup(async () => void (await Promise.all(disks.map((disk) => disk.close()))));
  return disks;
}

async function freezerFor(devices: readonly string[], runtimeFolder?: string): Promise<KernelFreezer> {
  const disks = await openDisks(...devices);
  const freezer = await openFreezer({ disks, runtimeFolder: runtimeFolder ?? (await machine.runtimeFolder()) });
  machine.onCleanup(() => freezer.close());
  return freezer;
}

/** A process that writes to the file system and syncs; it ends when that was possible. */
function startWriter(mount: string): ChildProcess & { pid: number } {
  const writer = machine.spawn('dd', 'if=/dev/zero', `of=${mount}/file`, 'bs=64k', 'count=4', 'conv=fsync');
  if (writer.pid === undefined) throw new Error('dd was not started');
  return writer as ChildProcess & { pid: number };
}

async function untilBlocked(writer: { readonly pid: number }): Promise<void> {
  await until('the writer waits in the kernel', () => processState(writer.pid) === 'D');
}

async function untilDone(writer: ChildProcess): Promise<void> {
  if (writer.exitCode === null) await once(writer, 'exit');
  expect(writer.exitCode).toBe(0);
}

function isFrozen(mount: string): boolean {
  const fileDescriptor = openSync(mount, 'r');
  try {
    freezeFileSystem(fileDescriptor, mount);
    thawFileSystem(fileDescriptor, mount);
    return false;
  } catch {
    return true; // EBUSY
  } finally {
    closeSync(fileDescriptor);
  }
}

test.each(['ext4', 'xfs', 'btrfs'] as const)('writers of %s wait from freeze to thaw, and go on', async (type) => {
  const device = machine.loopDisk(320 * MIB);
  const mount = machine.mount(device, type);
  const freezer = await freezerFor([device]);
  expect(await freezer.countMounts()).toBe(1);
  await freezer.flush(AbortSignal.timeout(60_000));
  expect(await freezer.freeze(LONG_LIMIT_MILLISECONDS)).toEqual([]);
  const writer = startWriter(mount);
  await untilBlocked(writer);
  const report = await freezer.thaw();
  expect(report.intact).toBe(true);
  expect(report.pauseMicroseconds).toBeGreaterThan(0);
  await untilDone(writer);
});

test('after the thaw nobody keeps the file system from being unmounted', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const freezer = await freezerFor([device]);
  await freezer.freeze(LIMIT_MILLISECONDS);
  await freezer.thaw();
  run('umount', mount);
  expect(await freezer.countMounts()).toBe(0);
  run('mount', device, mount);
});

test('nothing mounted counts as frozen', async () => {
  const freezer = await freezerFor([machine.loopDisk(4 * MIB)]);
  expect(await freezer.countMounts()).toBe(0);
  expect(await freezer.freeze(LIMIT_MILLISECONDS)).toEqual([]);
  expect(await freezer.thaw()).toEqual({ pauseMicroseconds: 0, intact: true });
});

test('a read-only file system is left alone', async () => {
  const device = machine.loopDisk(64 * MIB);
  run('mkfs.ext4', '-q', device);
  machine.mountAgain(device, 'ro');
  expect(await (await freezerFor([device])).countMounts()).toBe(0);
});

test('a file system mounted at two places, also over a partition and in another namespace, is frozen once', async () => {
  const device = machine.loopDisk(128 * MIB);
  const partition = machine.partition(device, 2048, 131_072);
  const first = machine.mount(partition);
  machine.mountAgain(partition);
  const freezer = await freezerFor([device]);
  expect(await freezer.countMounts()).toBe(1);

  // Only in a namespace of its own: visible through that process alone.
  const second = machine.loopDisk(64 * MIB);
  run('mkfs.ext4', '-q', second);
  const folder = machine.folder();
  const container = machine.spawn(
    'unshare',
    '--mount',
    'sh',
    '-c',
    `mount ${second} ${folder} && echo mounted && exec sleep 600`,
  );
  await once(container.stdout as NodeJS.ReadableStream, 'data');
  const both = await freezerFor([device, second]);
  expect(await both.countMounts()).toBe(2);
  await both.freeze(LONG_LIMIT_MILLISECONDS);
  expect(isFrozen(first)).toBe(true);
  expect(isFrozen(`/proc/${container.pid}/root${folder}`)).toBe(true);
  expect(await both.thaw()).toMatchObject({ intact: true });
  expect(isFrozen(`/proc/${container.pid}/root${folder}`)).toBe(false);
  container.kill('SIGKILL');
  await once(container, 'exit');
});

test('a file system in a file on another one is found, frozen before it, and both come back', async () => {
  const outer = machine.loopDisk(256 * MIB);
  const outerMount = machine.mount(outer);
  const inner = machine.loopDisk(64 * MIB, outerMount);
  const innerMount = machine.mount(inner);
  const runtimeFolder = await machine.runtimeFolder();
  const freezer = await freezerFor([outer], runtimeFolder);
  expect(await freezer.countMounts()).toBe(2);
  await freezer.flush(AbortSignal.timeout(60_000));
  await freezer.freeze(LONG_LIMIT_MILLISECONDS);
  const list = readFileSync(freezeListPath(runtimeFolder), 'utf8');
  expect(list.split('\n').slice(0, 2)).toEqual([
    expect.stringMatching(new RegExp(`^F .*${innerMount}$`)),
    expect.stringMatching(new RegExp(`^F .*${outerMount}$`)),
  ]);
  expect(await freezer.thaw()).toMatchObject({ intact: true });
  expect(existsSync(freezeListPath(runtimeFolder))).toBe(false);
  expect(isFrozen(innerMount)).toBe(false);
  expect(isFrozen(outerMount)).toBe(false);
});

test('a file system that knows no freeze is passed over and named, and the others are frozen', async () => {
  const mount = machine.mount(machine.loopDisk(64 * MIB));
  // tmpfs answers FIFREEZE as vfat and FUSE do: EOPNOTSUPP.
  const paths = [machine.folder(), mount];
  const opened = paths.map((path) => ({ deviceNumber: 0, path, fileDescriptor: openSync(path, 'r') }));
  machine.onCleanup(() => opened.forEach(({ fileDescriptor }) => closeSync(fileDescriptor)));
  const reports: GuardianReport[] = [];
  const executor = new GuardianExecutor({
    report: (report) => reports.push(report),
    mark: () => {},
    release: () => {},
    exit: () => {},
  });
  executor.prepare(opened);
  executor.freeze(LONG_LIMIT_MILLISECONDS);
  await until('the guardian has reported', () => reports.length === 1);
  expect(reports).toEqual([{ type: 'frozen', unfreezable: [0] }]);
  expect(isFrozen(mount)).toBe(true);
  executor.handle({ type: 'thaw' });
  await until('the guardian has thawed', () => reports.length === 2);
  expect(reports[1]).toEqual({ type: 'thawed', intact: true });
  expect(isFrozen(mount)).toBe(false);
});

test("somebody else's freeze makes the attempt void and stays; ours are thawed", async () => {
  const mine = machine.loopDisk(64 * MIB);
  const theirs = machine.loopDisk(64 * MIB);
  const mountOfMine = machine.mount(mine);
  const mountOfTheirs = machine.mount(theirs);
  const freezer = await freezerFor([mine, theirs]);
  run('fsfreeze', '--freeze', mountOfTheirs);
  try {
    await expect(freezer.freeze(LIMIT_MILLISECONDS)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('frozen by somebody else'),
    });
    expect(isFrozen(mountOfMine)).toBe(false);
    expect(isFrozen(mountOfTheirs)).toBe(true);
  } finally {
    run('fsfreeze', '--unfreeze', mountOfTheirs);
  }
  await freezer.freeze(LONG_LIMIT_MILLISECONDS);
  expect(await freezer.thaw()).toMatchObject({ intact: true });
});

test('the guardian thaws when the time is up, and the window is void', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const freezer = await freezerFor([device]);
  await freezer.freeze(100);
  const writer = startWriter(mount);
  await untilDone(writer);
  expect(await freezer.thaw()).toMatchObject({ intact: false });
});

test('somebody thawed before us: the window is void', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const freezer = await freezerFor([device]);
  await freezer.freeze(LONG_LIMIT_MILLISECONDS);
  run('fsfreeze', '--unfreeze', mount);
  expect(await freezer.thaw()).toMatchObject({ intact: false });
});

test('a file system mounted while the others are frozen makes the window void', async () => {
  const device = machine.loopDisk(64 * MIB);
  machine.mount(device);
  const second = machine.loopDisk(64 * MIB);
  run('mkfs.ext4', '-q', second);
  const freezer = await freezerFor([device, second]);
  await freezer.freeze(LONG_LIMIT_MILLISECONDS);
  machine.mountAgain(second);
  expect(await freezer.thaw()).toMatchObject({ intact: false });
});

test('when the guardian is killed the agent thaws, and has a new guardian for the next freeze', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const freezer = await freezerFor([device]);
  await freezer.freeze(LONG_LIMIT_MILLISECONDS);
  const writer = startWriter(mount);
  await untilBlocked(writer);
  process.kill(freezer.guardianPid as number, 'SIGKILL');
  await untilDone(writer);
  expect(await freezer.thaw()).toMatchObject({ intact: false });
  await freezer.freeze(LONG_LIMIT_MILLISECONDS);
  expect(isFrozen(mount)).toBe(true);
  expect(await freezer.thaw()).toMatchObject({ intact: true });
});

test('when the guardian is stopped the agent thaws at the limit', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const freezer = await freezerFor([device]);
  const guardian = freezer.guardianPid as number;
  await freezer.freeze(200);
  process.kill(guardian, 'SIGSTOP');
  try {
    await untilDone(startWriter(mount));
  } finally {
    process.kill(guardian, 'SIGCONT');
  }
  expect(await freezer.thaw()).toMatchObject({ intact: false });
});

/** A process of its own that freezes and then waits, to be killed. */
async function startFreezingAgent(
  device: string,
  runtimeFolder: string,
): Promise<{ agent: ChildProcess; guardian: number }> {
  const index = new URL('./index.ts', import.meta.url).href;
  const source = `
    const { openSourceDisks, openFreezer } = await import(${JSON.stringify(index)});
    const disks = await openSourceDisks([${JSON.stringify(device)}]);
    const freezer = await openFreezer({ disks, runtimeFolder: ${JSON.stringify(runtimeFolder)} });
    await freezer.freeze(${LONG_LIMIT_MILLISECONDS});
    process.stdout.write(String(freezer.guardianPid));
    setInterval(() => {}, 1000);`;
  const agent = machine.spawn(process.execPath, '--input-type=module', '-e', source);
  const [answer] = (await once(agent.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { agent, guardian: Number(answer.toString()) };
}

test('when the agent is killed its guardian thaws and ends', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const runtimeFolder = await machine.runtimeFolder();
  const { agent, guardian } = await startFreezingAgent(device, runtimeFolder);
  const writer = startWriter(mount);
  await untilBlocked(writer);
  agent.kill('SIGKILL');
  await untilDone(writer);
  await until('the guardian has ended', () => !existsSync(`/proc/${guardian}`));
  expect(existsSync(freezeListPath(runtimeFolder))).toBe(false);
});

test('when both are killed the next agent thaws what they left, and only that', async () => {
  const device = machine.loopDisk(64 * MIB);
  const mount = machine.mount(device);
  const runtimeFolder = await machine.runtimeFolder();
  const { agent, guardian } = await startFreezingAgent(device, runtimeFolder);
  const writer = startWriter(mount);
  await untilBlocked(writer);
  process.kill(guardian, 'SIGSTOP'); // so that it cannot act on the agent's end
  agent.kill('SIGSTOP');
  process.kill(guardian, 'SIGKILL');
  agent.kill('SIGKILL');
  await once(agent, 'exit');
  expect(processState(writer.pid)).toBe('D');
  const freezer = await freezerFor([device], runtimeFolder);
  expect(freezer.thawedAtStart).toEqual([mount]);
  await untilDone(writer);
  expect((await freezerFor([device], runtimeFolder)).thawedAtStart).toEqual([]);
});

test('the guardian runs in a session of its own, at normal priority, with its memory locked', async () => {
  const freezer = await freezerFor([machine.loopDisk(4 * MIB)]);
  const stat = readFileSync(`/proc/${freezer.guardianPid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  expect(Number(stat[3])).toBe(freezer.guardianPid); // session
  expect(Number(stat[16])).toBe(0); // nice
  const shortcomings = freezer.shortcomings.join(' ');
  const locked = /VmLck:\s+(\d+)/.exec(readFileSync(`/proc/${freezer.guardianPid}/status`, 'latin1'))?.[1];
  expect(Number(locked) > 0 || shortcomings.includes('memory is not locked')).toBe(true);
  const score = readFileSync(`/proc/${freezer.guardianPid}/oom_score_adj`, 'latin1').trim();
  expect(score === '-1000' || shortcomings.includes('out-of-memory')).toBe(true);
});
