/**
 * What is mounted, in every mount namespace of the machine: containers mount the machine's disks too.
 *
 * One process per namespace and root folder is asked. A mount of another namespace is reached through
 * `/proc/PID/root`, as long as that process lives; so files are opened before anything is frozen.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { parseDeviceNumber } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';

export interface MountRow {
  /** Unique on the machine while it is mounted. */
  readonly mountId: number;
  /** Of the superblock; major 0 where it has no block device of its own (btrfs, overlay, tmpfs). */
  readonly deviceNumber: DeviceNumber;
  /** Path that leads there from our own namespace. */
  readonly path: string;
  readonly fileSystemType: string;
  readonly source: string;
  /** Prefix of paths in that namespace: empty for our own. */
  readonly namespaceRoot: string;
  /** Whether the superblock (not only this mount of it) can be written to. */
  readonly writable: boolean;
}

/** One mountinfo file. See proc_pid_mountinfo(5). */
export function parseMountInfo(text: string, namespaceRoot: string): MountRow[] {
  const rows: MountRow[] = [];
  for (const line of text.split('\n')) {
    const [before, after] = splitOnce(line, ' - ');
    const fields = before.split(' ');
    const [fileSystemType, source, superOptions] = after.split(' ');
    const deviceNumber = parseDeviceNumber(fields[2] ?? '');
    if (deviceNumber === null || fileSystemType === undefined || superOptions === undefined) continue;
    rows.push({
      mountId: Number(fields[0]),
      deviceNumber,
      path: `${namespaceRoot}${unescape(fields[4] ?? '')}`,
      fileSystemType,
      source: unescape(source ?? ''),
      namespaceRoot,
      writable: superOptions.split(',').includes('rw'),
    });
  }
  return rows;
}

/** All mounts of all namespaces. A namespace whose process ends meanwhile is asked through another one. */
export function readMountTable(): MountRow[] {
  const rows = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'), '');
  const seen = new Set<string>();
  const own = namespaceKey('self');
  if (own !== null) seen.add(own);
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const key = namespaceKey(name);
    if (key === null || seen.has(key)) continue;
    try {
      rows.push(...parseMountInfo(readFileSync(`/proc/${name}/mountinfo`, 'utf8'), `/proc/${name}/root`));
      seen.add(key);
    } catch {
      continue; // the process ended; another one of its namespace may come
    }
  }
  return rows;
}

/** The mount that an open file was reached through. */
export function mountIdOf(fileDescriptor: number): number | null {
  const match = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fileDescriptor}`, 'latin1'));
  return match === null ? null : Number(match[1]);
}

/** Null for kernel threads and ended processes. */
function namespaceKey(process: string): string | null {
  try {
    return `${readlinkSync(`/proc/${process}/ns/mnt`)} ${readlinkSync(`/proc/${process}/root`)}`;
  } catch {
    return null;
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on, byte by byte. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
