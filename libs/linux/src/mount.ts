/** Mounting and unmounting without the programs of the same name. */
import { declareSystemCall } from './c-library.ts';

const mountCall = declareSystemCall(
  'int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)',
);
const umount2 = declareSystemCall('int umount2(const char *target, int flags)');
/** MS_NOSUID | MS_NODEV | MS_NOEXEC: nothing on a kernel file system is ever run or a device. */
const SAFE_FLAGS = 2 | 4 | 8;

/** `options` as after `mount -o`, without those that are flags. */
export function mountFileSystem(source: string, target: string, type: string, options = ''): void {
  mountCall.run(`mounting ${type} at ${target}`, source, target, type, SAFE_FLAGS, options);
}

/** EBUSY: files of it are open. EINVAL: nothing is mounted there. */
export function unmountFileSystem(target: string): void {
  umount2.run(`unmounting ${target}`, target, 0);
}
