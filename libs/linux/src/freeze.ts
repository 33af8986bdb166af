/** FIFREEZE and FITHAW: a frozen file system is clean on its disk, and its writers wait. */
import { declareSystemCall } from './c-library.ts';

const ioctl = declareSystemCall('int ioctl(int fd, ulong request, void *argument)');
const syncfs = declareSystemCall('int syncfs(int fd)');

/** `_IOWR('X', 119, int)` and `_IOWR('X', 120, int)` of linux/fs.h. */
const FIFREEZE = 0xc0045877;
const FITHAW = 0xc0045878;

/** EBUSY: somebody else froze it. EOPNOTSUPP: it cannot be frozen. Blocks while dirty pages are written out. */
export function freezeFileSystem(fileDescriptor: number, name: string): void {
  ioctl.run(`FIFREEZE of ${name}`, fileDescriptor, FIFREEZE, null);
}

/** On a thread of the pool: the caller stays able to thaw what was frozen before. */
export async function freezeFileSystemAsync(fileDescriptor: number, name: string): Promise<void> {
  await ioctl.runAsync(`FIFREEZE of ${name}`, fileDescriptor, FIFREEZE, null);
}

/** EINVAL: it was not frozen. Waits while a freeze of the same file system is still under way. */
export function thawFileSystem(fileDescriptor: number, name: string): void {
  ioctl.run(`FITHAW of ${name}`, fileDescriptor, FITHAW, null);
}

export async function thawFileSystemAsync(fileDescriptor: number, name: string): Promise<void> {
  await ioctl.runAsync(`FITHAW of ${name}`, fileDescriptor, FITHAW, null);
}

/** Writes out what is dirty on the file system of this file. On a thread of the pool; cannot be cancelled. */
export async function syncFileSystem(fileDescriptor: number, name: string): Promise<void> {
  await syncfs.runAsync(`syncfs of ${name}`, fileDescriptor);
}
