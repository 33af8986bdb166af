/** Loop disks, mounts and folders for tests on the real kernel; everything is undone in reverse, also on failure. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureRuntimeRoot, RUNTIME_ROOT } from '../runtime/runtime-root.ts';

/** In memory: tests must not depend on, or wear, the machine's disk. */
const MEMORY_FOLDER = '/dev/shm';
const CONDITION_ATTEMPTS = 2000;
const CONDITION_PAUSE_MILLISECONDS = 5;

export class TestMachine {
  readonly #undo: (() => void | Promise<void>)[] = [];

  onCleanup(step: () => void | Promise<void>): void {
    this.#undo.push(step);
  }

  /** Goes on after a step that fails, and throws its error at the end. */
  async cleanup(): Promise<void> {
    let failure: Error | null = null;
    for (const step of this.#undo.splice(0).reverse()) {
      try {
        await step();
      } catch (thrown) {
        failure ??= thrown as Error;
      }
    }
    if (failure !== null) throw failure;
  }

  folder(): string {
    const folder = mkdtempSync(join(MEMORY_FOLDER, 'lms-test-'));
    this.onCleanup(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  /** A folder for boot-lived state, as an agent has it. */
  async runtimeFolder(): Promise<string> {
    await ensureRuntimeRoot();
    const folder = mkdtempSync(join(RUNTIME_ROOT, 'test-'));
    this.onCleanup(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  /** `/dev/loopN` on a new file of this size. */
  loopDisk(sizeBytes: number, folder = this.folder()): string {
    const file = join(folder, `disk-${process.hrtime.bigint()}.img`);
    closeSync(openSync(file, 'w'));
    truncateSync(file, sizeBytes);
    const device = run('losetup', '--find', '--show', file).trim();
    this.onCleanup(() => void run('losetup', '--detach', device));
    return device;
  }

  /** Adds a partition without a partition table, for kernels that read none. */
  partition(device: string, startSector: number, sectorCount: number): string {
    run('addpart', device, '1', String(startSector), String(sectorCount));
    this.onCleanup(() => void run('delpart', device, '1'));
    return `${device}p1`;
  }

  mount(device: string, type: 'ext4' | 'xfs' | 'btrfs' = 'ext4', options = 'rw'): string {
    run(`mkfs.${type}`, type === 'ext4' ? '-q' : '-f', device);
    return this.mountAgain(device, options);
  }

  mountAgain(device: string, options = 'rw'): string {
    const path = join(this.folder(), 'mount');
    mkdirSync(path);
    run('mount', '-o', options, device, path);
    this.onCleanup(() => void run('umount', path));
    return path;
  }

  spawn(command: string, ...values: string[]): ChildProcess {
    const child = spawn(command, values, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.onCleanup(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    return child;
  }
}

export function run(command: string, ...values: string[]): string {
  return execFileSync(command, values, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Waits for a condition, not for a time. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < CONDITION_ATTEMPTS; attempt++) {
    if (condition()) return;
    await sleep(CONDITION_PAUSE_MILLISECONDS);
  }
  throw new Error(`it never came about that ${what}`);
}

/** State letter of a process: `D` while it waits in the kernel, uninterruptibly. */
export function processState(pid: number): string {
  const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return status.slice(status.lastIndexOf(')') + 2, status.lastIndexOf(')') + 3);
}

/** 4 KiB at this block, past the page cache; returns when the disk has them. */
export function writeDirect(device: string, block: number, count = 1): void {
  run('dd', 'if=/dev/zero', `of=${device}`, 'bs=4k', `count=${count}`, `seek=${block}`, 'oflag=direct', 'conv=notrunc');
}

export function writeText(path: string, text: string): void {
  writeFileSync(path, text);
}
