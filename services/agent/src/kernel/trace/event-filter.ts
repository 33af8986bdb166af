/**
 * What the kernel keeps out of our rings, so that reads cost nothing (half of all requests on most machines).
 *
 * R2: only what is certainly a pure read is left out: the letters are compared whole, so that letters of a later kernel
 * come through. The kernel gives a filter back letter by letter as it was written (seen on 6.18), which is how a change
 * of it is noticed.
 */
import { LmsError } from '@lms/errors';
import type { DeviceNumber } from '@lms/block-stream';

/**
 * The canary (R5) reads the last 64 KiB of the first MiB: inside every disk we admit, aligned to every block size, and
 * before the first partition, so hardly anybody else reads there.
 */
export const CANARY_OFFSET_BYTES = 983_040;
export const CANARY_LENGTH_BYTES = 65_536;
export const CANARY_SECTOR = CANARY_OFFSET_BYTES / 512;

/** Reads with every combination of read-ahead, sync and metadata, in the order in which the kernel writes them. */
const PURE_READS = ['R', 'RA', 'RS', 'RM', 'RAS', 'RAM', 'RSM', 'RASM'];

/** A page, less the terminating zero: the kernel takes no longer filter. */
const MAXIMUM_FILTER_BYTES = 4095;

/** For `block_rq_issue` and `block_rq_complete`: these disks, everything that is not a pure read, and the canary. */
export function requestFilter(deviceNumbers: readonly DeviceNumber[]): string {
  if (deviceNumbers.length === 0) throw new RangeError('a filter without disks would let everything through');
  const devices = deviceNumbers.map((deviceNumber) => `dev==${deviceNumber}`).join('||');
  const notARead = PURE_READS.map((letters) => `rwbs!="${letters}"`).join('&&');
  const filter = `(${devices})&&(sector==${CANARY_SECTOR}||(${notARead}))`;
  if (filter.length > MAXIMUM_FILTER_BYTES) {
    throw new LmsError('RESOURCE_EXHAUSTED', `${deviceNumbers.length} disks do not fit in one kernel trace filter`, {
      action: 'Replicate fewer disks of this machine.',
    });
  }
  return filter;
}

/**
 * For `block_bio_queue`: what may hide ranges when it completes (R3). Without disks: the event may carry a partition's
 * number, and partitions come and go. Reads, writes and flushes are left out by their first letter, which is cheap;
 * `WZ` and what else has a D, E, N or Z is let through.
 */
export const QUEUE_FILTER = '(!(rwbs ~ "R*")&&!(rwbs ~ "W*")&&!(rwbs ~ "F*"))||rwbs ~ "*[DENZ]*"';
