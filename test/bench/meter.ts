// CPU time and memory of processes, and bytes that crossed the loopback of this network namespace.

import { readFileSync } from 'node:fs';

/** USER_HZ, which Linux fixes at 100 for what it tells programs. */
const TICKS_PER_SECOND = 100;
const MEBIBYTE = 1024 * 1024;

/** User and system time of a process and all its threads, without its children. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most memory that the process ever had. */
export function peakResidentMebibytes(pid: number): number {
  return kibibytesOf(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM') / 1024;
}

/** What it has in memory now: also what it shares with others, such as the text of its program. */
export function residentMebibytes(pid: number): number {
  return kibibytesOf(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS') / 1024;
}

/** What of it nobody else has: what one more such process costs a node that has one already. */
export function privateMebibytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return (kibibytesOf(rollup, 'Private_Clean') + kibibytesOf(rollup, 'Private_Dirty')) / 1024;
}

function kibibytesOf(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** Everything that was sent over loopback, headers included. */
export function loopbackMebibytes(): number {
  const line = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .find((row) => row.trim().startsWith('lo:'));
  return Number(line?.trim().split(/\s+/)[1] ?? Number.NaN) / MEBIBYTE;
}
