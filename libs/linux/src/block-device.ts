/** Sizes and discards of block devices, and what a loop device stands on. */
import { declareSystemCall } from './c-library.ts';
import type { DeviceId } from './device-number.ts';

const ioctl = declareSystemCall('int ioctl(int fd, ulong request, void *argument)');

const BLKSSZGET = 0x1268;
const BLKGETSIZE64 = 0x80081272;
const BLKDISCARD = 0x1277;
const LOOP_GET_STATUS64 = 0x4c05;
/** `struct loop_info64` of linux/loop.h; the file's device and inode are its first two fields. */
const LOOP_INFO_BYTES = 232;

export function deviceSizeBytes(fileDescriptor: number, name: string): number {
  const answer = new DataView(new ArrayBuffer(8));
  ioctl.run(`BLKGETSIZE64 of ${name}`, fileDescriptor, BLKGETSIZE64, new Uint8Array(answer.buffer));
  return Number(answer.getBigUint64(0, true));
}

export function logicalBlockSizeBytes(fileDescriptor: number, name: string): number {
  const answer = new DataView(new ArrayBuffer(4));
  ioctl.run(`BLKSSZGET of ${name}`, fileDescriptor, BLKSSZGET, new Uint8Array(answer.buffer));
  return answer.getUint32(0, true);
}

/** Never for a source: R5 forbids every write to one. */
export function discardRange(fileDescriptor: number, offsetBytes: number, lengthBytes: number, name: string): void {
  const range = new DataView(new ArrayBuffer(16));
  range.setBigUint64(0, BigInt(offsetBytes), true);
  range.setBigUint64(8, BigInt(lengthBytes), true);
  ioctl.run(`BLKDISCARD of ${name}`, fileDescriptor, BLKDISCARD, new Uint8Array(range.buffer));
}

export interface LoopBacking {
  /** File system that holds the backing file. */
  readonly device: DeviceId;
  readonly inode: bigint;
  readonly offsetBytes: bigint;
  /** 0: to the end of the file. */
  readonly sizeLimitBytes: bigint;
}

/** ENXIO: no file is attached. */
export function loopBacking(fileDescriptor: number, name: string): LoopBacking {
  const answer = new DataView(new ArrayBuffer(LOOP_INFO_BYTES));
  ioctl.run(`LOOP_GET_STATUS64 of ${name}`, fileDescriptor, LOOP_GET_STATUS64, new Uint8Array(answer.buffer));
  return {
    device: answer.getBigUint64(0, true),
    inode: answer.getBigUint64(8, true),
    offsetBytes: answer.getBigUint64(24, true),
    sizeLimitBytes: answer.getBigUint64(32, true),
  };
}
