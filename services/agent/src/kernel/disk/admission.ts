/**
 * R6: which disks can be tracked. Pure: facts in, a decision out.
 *
 * Events come from a disk's own queue of requests. Disks without one (device-mapper, md, zram, multipath heads) are
 * refused here, with the disks below them that can be given instead; the canary (R5) later refuses what slipped through.
 * A read-only disk is fine.
 */
import { LmsError } from '@lms/errors';
import type { DiskFacts } from './disk-facts.ts';

/** The canary reads the last 64 KiB of the first MiB. */
export const MINIMUM_DISK_BYTES = 1024 * 1024;
/** The kernel's own limit, and what the canary is aligned to. */
const MAXIMUM_LOGICAL_BLOCK_BYTES = 65_536;

export type Admission = { readonly admitted: true } | { readonly admitted: false; readonly refusal: LmsError };

export function admitDisk(facts: DiskFacts): Admission {
  const refusal = findRefusal(facts);
  return refusal === null ? { admitted: true } : { admitted: false, refusal };
}

function findRefusal(facts: DiskFacts): LmsError | null {
  if (facts.partitionOf !== null) {
    return refuse(
      facts,
      `is a partition of /dev/${facts.partitionOf}`,
      `Give the whole disk /dev/${facts.partitionOf}.`,
    );
  }
  if (facts.hidden) return refuse(facts, 'is one path of a multipath disk', 'Give the disks below the multipath disk.');
  if (facts.deviceMapperUuid !== null || facts.deviceMapperName !== null) {
    const name = facts.deviceMapperName ?? facts.kernelName;
    return refuse(facts, `is the device-mapper disk "${name}" (${deviceMapperKind(facts)})`, giveBelow(facts));
  }
  if (facts.isSoftwareRaid) return refuse(facts, 'is a software RAID (md)', giveBelow(facts));
  if (facts.kernelName.startsWith('zram')) {
    return refuse(facts, 'is compressed memory (zram), which is lost with the machine', 'Leave this disk out.');
  }
  if (!facts.hasRequestQueue) {
    const what = facts.disksBelow.length > 0 ? 'is the head of a multipath disk' : 'has no queue of requests';
    return refuse(facts, `${what}, so the kernel reports no writes of it`, giveBelow(facts));
  }
  if (facts.zoned !== 'none') {
    return refuse(facts, `is a zoned disk (${facts.zoned})`, 'Zoned disks cannot be replicated; leave this disk out.');
  }
  if (facts.clusterFileSystem !== null) {
    return refuse(
      facts,
      `holds the cluster file system ${facts.clusterFileSystem}, which other machines write to as well`,
      'Leave this disk out: writes of other machines cannot be seen here.',
    );
  }
  if (facts.sizeBytes === 0) {
    const what = facts.isLoop ? 'has no file attached' : 'has no medium';
    return new LmsError('NOT_FOUND', `${facts.device} ${what}`, { action: 'Attach one, or leave this disk out.' });
  }
  if (facts.sizeBytes < MINIMUM_DISK_BYTES) {
    return refuse(facts, `has only ${facts.sizeBytes} bytes`, 'Disks below 1 MiB are not replicated; leave it out.');
  }
  if (facts.logicalBlockSizeBytes < 512 || facts.logicalBlockSizeBytes > MAXIMUM_LOGICAL_BLOCK_BYTES) {
    return refuse(facts, `has blocks of ${facts.logicalBlockSizeBytes} bytes`, 'Leave this disk out.');
  }
  if (!facts.countsRequests) {
    // Refused rather than switched on: whoever switched it off would switch it off again, behind our back.
    const file = `/sys/block/${facts.kernelName}/queue/iostats`;
    return new LmsError('FAILED_PRECONDITION', `${facts.device} does not count its requests in flight (${file} is 0)`, {
      action: `Switch it on: echo 1 > ${file}`,
    });
  }
  return null;
}

function refuse(facts: DiskFacts, why: string, action: string): LmsError {
  return new LmsError('UNSUPPORTED', `${facts.device} ${why}`, { action });
}

function giveBelow(facts: DiskFacts): string {
  if (facts.disksBelow.length === 0) return 'Leave this disk out.';
  const names = facts.disksBelow.map((name) => `/dev/${name}`).join(' and ');
  return `Give the disks that it lies on instead, all of them: ${names}.`;
}

function deviceMapperKind(facts: DiskFacts): string {
  const prefix = /^[A-Za-z]+/.exec(facts.deviceMapperUuid ?? '')?.[0] ?? '';
  const kinds: Readonly<Record<string, string>> = {
    LVM: 'a logical volume',
    CRYPT: 'an encrypted volume',
    mpath: 'a multipath head',
    part: 'a partition on device-mapper',
  };
  return kinds[prefix] ?? 'a mapped disk';
}
