/** The places on which every test of the store's behaviour runs: both forms, simulated and real. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderFileSystem } from '../folder/folder-file-system.ts';
import { SimulatedFileSystem } from '../simulated/index.ts';
import type { StoreFileSystem } from '../store-file-system.ts';
import { seeded } from './source-disks.ts';

export interface StorePlace {
  readonly name: string;
  readonly form: 'reflink' | 'journal';
  /** A new, empty folder; opened again and again it is the same one. */
  create(): Promise<{ mount(): Promise<StoreFileSystem>; remove(): Promise<void> }>;
}

function simulatedPlace(form: 'reflink' | 'journal'): StorePlace {
  return {
    name: `${form} on the simulated file system`,
    form,
    create: () => {
      const system = new SimulatedFileSystem({ random: seeded(1), canClone: form === 'reflink' });
      return Promise.resolve({ mount: () => Promise.resolve(system.mount()), remove: () => Promise.resolve() });
    },
  };
}

const JOURNAL_FOLDER: StorePlace = {
  name: 'journal in a real folder',
  form: 'journal',
  create: () => {
    const folder = mkdtempSync(join(tmpdir(), 'lms-store-'));
    return Promise.resolve({
      mount: async () => withoutClones(await FolderFileSystem.open(folder)),
      remove: async () => rmSync(folder, { recursive: true, force: true }),
    });
  },
};

/** The machine that runs the tests may have any file system below its temporary folder. */
function withoutClones(files: FolderFileSystem): StoreFileSystem {
  files.canClone = () => Promise.resolve(false);
  return files;
}

function run(program: string, parameters: readonly string[]): void {
  execFileSync(program, parameters);
}

const XFS_BYTES = 320 * 1024 * 1024;

const REFLINK_FOLDER: StorePlace = {
  name: 'reflink on a real XFS',
  form: 'reflink',
  create: () => {
    const folder = mkdtempSync(join(tmpdir(), 'lms-store-'));
    const image = join(folder, 'image');
    const mountPoint = join(folder, 'mount');
    writeFileSync(image, '');
    truncateSync(image, XFS_BYTES);
    mkdirSync(mountPoint);
    run('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
    run('mount', ['-o', 'loop', image, mountPoint]);
    return Promise.resolve({
      mount: () => FolderFileSystem.open(join(mountPoint, 'machine')),
      remove: async () => {
        run('umount', [mountPoint]);
        rmSync(folder, { recursive: true, force: true });
      },
    });
  },
};

export const STORE_PLACES: readonly StorePlace[] = [
  simulatedPlace('reflink'),
  simulatedPlace('journal'),
  JOURNAL_FOLDER,
  REFLINK_FOLDER,
];
