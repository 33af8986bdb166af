/**
 * R7: a disk is known by what stays with it, never by `sdX`: WWID or serial number; for a loop disk the device and inode
 * of its file; else the UUID of its partition table or file system. Always with the size.
 *
 * Special case: an MBR has a 32-bit signature instead of a UUID; it is taken last, since clones share it more often.
 * Failure: a disk without any of these is refused: after a reboot it could be taken for another one.
 */
import { createHash } from 'node:crypto';
import { LmsError } from '@lms/errors';
import { formatDeviceNumber, deviceIdToKernelNumber, type LoopBacking } from '@lms/linux';
import { readText } from './disk-facts.ts';

/** Bound of `HelloDisk.diskId`. */
const MAXIMUM_ID_LENGTH = 128;
/** Bytes of the disk's beginning that `tableIdentity` looks at: btrfs keeps its superblock at 64 KiB. */
export const SIGNATURE_BYTES = 131_072;

/** Attributes in the disk's folder, best first. virtio has `serial`, NVMe `wwid`, SCSI and ATA `device/wwid`, MMC `device/cid`. */
const HARDWARE_ATTRIBUTES: readonly (readonly [file: string, kind: string])[] = [
  ['wwid', 'wwid'],
  ['device/wwid', 'wwid'],
  ['serial', 'serial'],
  ['device/cid', 'serial'],
  ['device/vpd_pg80', 'serial'],
];

/** Null when the hardware gives none. */
export function hardwareIdentity(folder: string): string | null {
  for (const [file, kind] of HARDWARE_ATTRIBUTES) {
    // vpd_pg80 has four bytes before the text; none of them is a printable character that could be part of it.
    const text = clean(readText(folder, file) ?? '');
    if (!/^[0.:_-]*$/.test(text)) return `${kind}-${text}`;
  }
  return null;
}

export function loopIdentity(backing: LoopBacking): string {
  const device = formatDeviceNumber(deviceIdToKernelNumber(backing.device));
  const window =
    backing.offsetBytes === 0n && backing.sizeLimitBytes === 0n
      ? ''
      : `-${backing.offsetBytes}-${backing.sizeLimitBytes}`;
  return `loop-${device}-${backing.inode}${window}`;
}

/** From the first `SIGNATURE_BYTES` of the disk; null when nothing there names it. */
export function tableIdentity(start: Uint8Array, logicalBlockSizeBytes: number): string | null {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const table = logicalBlockSizeBytes;
  if (bytes.toString('latin1', table, table + 8) === 'EFI PART') return named('gpt', guid(bytes, table + 56));
  if (bytes.readUInt16LE(1024 + 56) === 0xef53) return named('ext', uuid(bytes, 1024 + 104));
  if (bytes.toString('latin1', 0, 4) === 'XFSB') return named('xfs', uuid(bytes, 32));
  if (bytes.toString('latin1', 65_600, 65_608) === '_BHRfS_M') return named('btrfs', uuid(bytes, 65_568));
  if (bytes.toString('latin1', 4086, 4096) === 'SWAPSPACE2') return named('swap', uuid(bytes, 1036));
  if (bytes.toString('latin1', 512, 520) === 'LABELONE') return `lvm-${bytes.toString('latin1', 544, 576)}`;
  if (bytes.readUInt16LE(510) === 0xaa55 && bytes.readUInt32LE(440) !== 0) {
    return `mbr-${bytes.readUInt32LE(440).toString(16).padStart(8, '0')}`;
  }
  return null;
}

/** The whole identity: characters and length as the protocol allows them. */
export function diskIdentity(device: string, sizeBytes: number, candidates: readonly (string | null)[]): string {
  const identity = candidates.find((candidate) => candidate !== null);
  if (identity === undefined || identity === null) {
    throw new LmsError('UNSUPPORTED', `${device} has no serial number, no partition table and no file system`, {
      action: 'Give it a partition table (GPT) so that it can be told from other disks, or leave it out.',
    });
  }
  const text = `${clean(identity)}-${sizeBytes}`;
  if (text.length <= MAXIMUM_ID_LENGTH) return text;
  return `hash-${createHash('sha256').update(text).digest('hex')}-${sizeBytes}`;
}

function clean(text: string): string {
  return text
    .replaceAll(/[^\x21-\x7e]+/g, ' ')
    .trim()
    .replaceAll(/[^A-Za-z0-9._:-]+/g, '_');
}

function named(kind: string, value: string): string | null {
  return /^[0-]*$/.test(value) ? null : `${kind}-${value}`;
}

function uuid(bytes: Buffer, offset: number): string {
  const hex = bytes.toString('hex', offset, offset + 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** As GPT writes it: the first three groups little-endian. */
function guid(bytes: Buffer, offset: number): string {
  const copy = Buffer.from(bytes.subarray(offset, offset + 16));
  copy.subarray(0, 4).reverse();
  copy.subarray(4, 6).reverse();
  copy.subarray(6, 8).reverse();
  return uuid(copy, 0);
}
