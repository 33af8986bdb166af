/** Gives a range of a file back to its file system; the range reads as zeros, the file keeps its size. */
import { declareSystemCall } from './c-library.ts';

const fallocate = declareSystemCall('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
const PUNCH_HOLE_KEEP_SIZE = 2 | 1;

/** EOPNOTSUPP where the file system has no holes. */
export function punchHole(fileDescriptor: number, offsetBytes: number, lengthBytes: number, name: string): void {
  fallocate.run(`punching a hole in ${name}`, fileDescriptor, PUNCH_HOLE_KEEP_SIZE, offsetBytes, lengthBytes);
}
