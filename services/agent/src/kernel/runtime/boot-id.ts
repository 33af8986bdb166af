/** One life of the kernel: another one after every boot. */
import { readFileSync } from 'node:fs';

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}
