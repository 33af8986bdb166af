import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SIGNATURE_BYTES, diskIdentity, hardwareIdentity, loopIdentity, tableIdentity } from './identity.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-identity-'));
  mkdirSync(join(folder, 'device'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const UUID = '00112233-4455-6677-8899-aabbccddeeff';
const UUID_BYTES = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

function diskStart(...parts: readonly (readonly [offset: number, content: string | Buffer])[]): Uint8Array {
  const bytes = Buffer.alloc(SIGNATURE_BYTES);
  for (const [offset, content] of parts) {
    (typeof content === 'string' ? Buffer.from(content, 'latin1') : content).copy(bytes, offset);
  }
  return bytes;
}

test('a WWID is preferred to a serial number, and both are made fit for the protocol', () => {
  writeFileSync(join(folder, 'serial'), 'S3Z 8NB\n');
  expect(hardwareIdentity(folder)).toBe('serial-S3Z_8NB');
  writeFileSync(join(folder, 'device/wwid'), 't10.ATA     DISK MODEL   S3Z8NB  \n');
  expect(hardwareIdentity(folder)).toBe('wwid-t10.ATA_DISK_MODEL_S3Z8NB');
});

test('the unit serial number page of SCSI is read behind its header', () => {
  writeFileSync(join(folder, 'device/vpd_pg80'), Buffer.from('\x00\x80\x00\x08ABCD1234', 'latin1'));
  expect(hardwareIdentity(folder)).toBe('serial-ABCD1234');
});

test.each(['', '0000000000', ' - '])('a placeholder (%j) is no serial number', (serial) => {
  writeFileSync(join(folder, 'serial'), serial);
  expect(hardwareIdentity(folder)).toBeNull();
});

test('a loop disk is known by the device and inode of its file, and by its window into it', () => {
  const backing = { device: (8n << 8n) | 1n, inode: 42n, offsetBytes: 0n, sizeLimitBytes: 0n };
  expect(loopIdentity(backing)).toBe('loop-8:1-42');
  expect(loopIdentity({ ...backing, offsetBytes: 1048576n })).toBe('loop-8:1-42-1048576-0');
});

test.each([
  [
    'a GPT, written little-endian',
    diskStart([512, 'EFI PART'], [568, UUID_BYTES]),
    'gpt-33221100-5544-7766-8899-aabbccddeeff',
  ],
  ['ext4', diskStart([1080, Buffer.from([0x53, 0xef])], [1128, UUID_BYTES]), `ext-${UUID}`],
  ['XFS', diskStart([0, 'XFSB'], [32, UUID_BYTES]), `xfs-${UUID}`],
  ['btrfs', diskStart([65_600, '_BHRfS_M'], [65_568, UUID_BYTES]), `btrfs-${UUID}`],
  ['swap', diskStart([4086, 'SWAPSPACE2'], [1036, UUID_BYTES]), `swap-${UUID}`],
  [
    'LVM',
    diskStart([512, 'LABELONE'], [544, 'abcdefghijklmnopqrstuvwxyz012345']),
    'lvm-abcdefghijklmnopqrstuvwxyz012345',
  ],
  ['an MBR', diskStart([440, Buffer.from([1, 2, 3, 4])], [510, Buffer.from([0x55, 0xaa])]), 'mbr-04030201'],
])('%s names its disk', (_, start, identity) => {
  expect(tableIdentity(start, 512)).toBe(identity);
});

test('a GPT is found at the second block also when blocks have 4096 bytes', () => {
  expect(tableIdentity(diskStart([4096, 'EFI PART'], [4152, UUID_BYTES]), 4096)).toMatch(/^gpt-/);
});

test('an empty disk, and a GPT whose UUID is zero, name nothing', () => {
  expect(tableIdentity(diskStart(), 512)).toBeNull();
  expect(tableIdentity(diskStart([512, 'EFI PART']), 512)).toBeNull();
});

test('the size is part of the identity, and a long one is shortened without losing it', () => {
  expect(diskIdentity('/dev/sda', 4096, [null, 'wwid-naa.5'])).toBe('wwid-naa.5-4096');
  const long = diskIdentity('/dev/sda', 4096, [`wwid-${'x'.repeat(200)}`]);
  expect(long).toMatch(/^hash-[0-9a-f]{64}-4096$/);
  expect(diskIdentity('/dev/sda', 4096, [`wwid-${'x'.repeat(201)}`])).not.toBe(long);
});

test('a disk that nothing names is refused', () => {
  expect(() => diskIdentity('/dev/sda', 4096, [null])).toThrow('/dev/sda has no serial number');
});
