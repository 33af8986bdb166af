/** On which processors the calling thread may run, and which are online. */
import { readFileSync } from 'node:fs';
import { declareSystemCall } from './c-library.ts';

const setAffinity = declareSystemCall('int sched_setaffinity(int pid, size_t size, const void *mask)');

/** The kernel's own mask is at most 8192 processors long (CONFIG_MAXSMP). */
const MASK_BYTES = 1024;
const mask = new Uint8Array(MASK_BYTES);

/** Moves the calling thread onto one processor; returns when it runs there. EINVAL: offline, or not allowed to us. */
export function pinThread(processor: number): void {
  mask.fill(0);
  mask[processor >> 3] = 1 << (processor & 7);
  setAffinity.run(`sched_setaffinity to processor ${processor}`, 0, MASK_BYTES, mask);
}

/** Expands the kernel's list format: `0-2,5` is 0, 1, 2, 5. */
export function parseProcessorList(list: string): number[] {
  const processors: number[] = [];
  for (const part of list.trim().split(',')) {
    if (part === '') continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) throw new TypeError(`not a list of processors: "${list.trim()}"`);
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    for (let processor = first; processor <= last; processor++) processors.push(processor);
  }
  return processors;
}

/** Processors online now, ascending. */
export function onlineProcessors(): number[] {
  return parseProcessorList(readFileSync('/sys/devices/system/cpu/online', 'utf8'));
}
