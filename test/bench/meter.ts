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
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(peak?.[1] ?? Number.NaN) / 1024;
}

/** Everything that was sent over loopback, headers included. */
export function loopbackMebibytes(): number {
  const line = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .find((row) => row.trim().startsWith('lo:'));
  return Number(line?.trim().split(/\s+/)[1] ?? Number.NaN) / MEBIBYTE;
}
