/**
 * From a partition's number to its disk's. Numbers of partitions are given out again, so what is known holds only as
 * long as the kernel has announced no change of devices (`uevent_seqnum`).
 *
 * The downside that stays: a partition that is removed, and its number given to another disk, between an event and its
 * reading. Only a discard's hidden ranges depend on it (R3), and only on kernels whose queue events carry partitions
 * (6.18 has the whole disk's number there).
 */
import { readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { existsSync } from 'node:fs';
import { formatDeviceNumber, parseDeviceNumber } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';
import { ControlFile } from '../control-file.ts';

export class WholeDisks {
  readonly #announcements = new ControlFile('/sys/kernel/uevent_seqnum');
  readonly #known = new Map<DeviceNumber, DeviceNumber | null>();
  #knownAt = '';

  /** To be called once a drain: forgets everything when a device came or went. */
  refresh(): void {
    if (this.#known.size === 0) return;
    const now = this.#announcements.read();
    if (now !== this.#knownAt) this.#known.clear();
  }

  /** Null when the kernel has no such device. */
  find(deviceNumber: DeviceNumber): DeviceNumber | null {
    const known = this.#known.get(deviceNumber);
    if (known !== undefined) return known;
    if (this.#known.size === 0) this.#knownAt = this.#announcements.read();
    const found = findWholeDisk(deviceNumber);
    this.#known.set(deviceNumber, found);
    return found;
  }

  close(): void {
    this.#announcements.close();
  }
}

function findWholeDisk(deviceNumber: DeviceNumber): DeviceNumber | null {
  try {
    const folder = realpathSync(`/sys/dev/block/${formatDeviceNumber(deviceNumber)}`);
    if (!existsSync(`${folder}/partition`)) return deviceNumber;
    return parseDeviceNumber(readFileSync(`${dirname(folder)}/dev`, 'latin1'));
  } catch {
    return null; // no such device (any more)
  }
}
