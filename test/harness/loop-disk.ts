// A real block device (loop) on a real file, with or without a file system.

import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { requireCommand, runCommand } from './command.ts';
import { unmount } from './unmount.ts';

export interface LoopDiskOptions {
  readonly folder: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly cleanup: Cleanup;
}

export class LoopDisk {
  readonly device: string;
  readonly imagePath: string;
  readonly #cleanup: Cleanup;
  readonly #folder: string;
  #mounts = 0;

  private constructor(device: string, imagePath: string, { cleanup, folder }: LoopDiskOptions) {
    this.device = device;
    this.imagePath = imagePath;
    this.#cleanup = cleanup;
    this.#folder = folder;
  }

  static async create(options: LoopDiskOptions): Promise<LoopDisk> {
    const imagePath = join(options.folder, `${options.name}.img`);
    const file = openSync(imagePath, 'wx');
    ftruncateSync(file, options.sizeBytes);
    closeSync(file);
    return LoopDisk.attach(imagePath, options);
  }

  /** An image that is there already. */
  static async attach(imagePath: string, options: LoopDiskOptions): Promise<LoopDisk> {
    // Before it is attached, and by the image: losetup can be ended between the attachment and its answer.
    options.cleanup.add(`detach ${imagePath}`, async () => {
      for (const device of await devicesOf(imagePath)) await requireCommand('losetup', ['--detach', device]);
    });
    // Direct I/O: otherwise the image's pages fill the page cache a second time.
    const device = (await requireCommand('losetup', ['--find', '--show', '--direct-io=on', imagePath])).trim();
    return new LoopDisk(device, imagePath, options);
  }

  async format(type: 'ext4' | 'xfs' | 'btrfs'): Promise<void> {
    await requireCommand(`mkfs.${type}`, [type === 'ext4' ? '-q' : '-f', this.device]);
  }

  /** Returns the folder; may be called more than once, for a disk that is mounted at several places. */
  async mount(options = 'rw'): Promise<string> {
    this.#mounts += 1;
    const folder = join(this.#folder, `mount-${this.device.split('/').at(-1)}-${this.#mounts}`);
    mkdirSync(folder);
    this.#cleanup.add(`unmount ${folder}`, async () => {
      await runCommand('umount', [folder]);
    });
    await requireCommand('mount', ['-o', options, this.device, folder]);
    return folder;
  }

  async unmount(folder: string): Promise<void> {
    await unmount(folder);
  }
}

async function devicesOf(imagePath: string): Promise<readonly string[]> {
  const list = await requireCommand('losetup', ['--associated', imagePath, '--noheadings', '--output', 'NAME']);
  return list.split('\n').filter((device) => device !== '');
}
