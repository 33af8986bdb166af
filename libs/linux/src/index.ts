export { SystemError, errorName, isSystemError } from './system-error.ts';
export {
  freezeFileSystem,
  freezeFileSystemAsync,
  syncFileSystem,
  thawFileSystem,
  thawFileSystemAsync,
} from './freeze.ts';
export { tryLock, tryLockFile } from './lock.ts';
export type { FileLock, LockAttempt } from './lock.ts';
export { onlineProcessors, parseProcessorList, pinThread } from './affinity.ts';
export { BACKGROUND_PRIORITY, NORMAL_PRIORITY, setProcessPriority, setThreadPriority } from './priority.ts';
export type { Priority } from './priority.ts';
export { punchHole } from './hole.ts';
export { dropFileCache } from './file-cache.ts';
export { lockMemory } from './memory-lock.ts';
export { mountFileSystem, unmountFileSystem } from './mount.ts';
export { deviceSizeBytes, discardRange, logicalBlockSizeBytes, loopBacking } from './block-device.ts';
export type { LoopBacking } from './block-device.ts';
export {
  deviceIdToKernelNumber,
  formatDeviceNumber,
  kernelDeviceNumber,
  kernelNumberMajor,
  kernelNumberMinor,
  parseDeviceNumber,
} from './device-number.ts';
export type { DeviceId } from './device-number.ts';
export { allocateAlignedMemory } from './aligned-memory.ts';
export { readAvailable } from './nonblocking-read.ts';
export { fsyncFolder } from './folder.ts';
export { watchModifications } from './modification-watch.ts';
export type { ModificationWatch } from './modification-watch.ts';
export { connectWithSegments, pathMtuBytes } from './tcp-segments.ts';
export type { SegmentedConnection } from './tcp-segments.ts';
