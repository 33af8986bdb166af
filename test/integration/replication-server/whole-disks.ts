/** Facts of this kernel, found in another way than the product does: by `lsblk`'s own source, sysfs, from the top down. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { deviceIdToKernelNumber, parseDeviceNumber } from '@lms/linux';

/** The whole disk that holds this path directly; empty where it lies on none (tmpfs). */
export function wholeDisks(path: string): { readonly bootId: string; readonly below: readonly number[] } {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const wanted = deviceIdToKernelNumber(statSync(path, { bigint: true }).dev);
  for (const disk of readdirSync('/sys/block')) {
    const own = numberOf(`/sys/block/${disk}`);
    const partitions = readdirSync(`/sys/block/${disk}`)
      .map((entry) => `/sys/block/${disk}/${entry}`)
      .filter((entry) => existsSync(`${entry}/partition`));
    if ([own, ...partitions.map(numberOf)].includes(wanted)) return { bootId, below: [own] };
  }
  return { bootId, below: [] };
}

function numberOf(folder: string): number {
  return parseDeviceNumber(readFileSync(`${folder}/dev`, 'utf8')) ?? -1;
}
