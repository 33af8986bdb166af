/**
 * The list of what is frozen, in memory that outlives agent and guardian (R17): written *before* anything is frozen, so
 * that the next agent can thaw what both left behind, and only what we froze.
 *
 * One line a mount: a letter, the superblock's device number, and its path for people. The guardian overwrites the
 * letter in place: `-` not touched, `f` FIFREEZE was called, `F` frozen, `T` thawed, `X` failed (also: frozen by somebody
 * else). At a start `f` and `F` are thawed. The downside: a guardian killed between FIFREEZE's EBUSY and its letter
 * leaves an `f` on somebody else's freeze; it takes two kills within microseconds.
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { formatDeviceNumber, parseDeviceNumber } from '@lms/linux';
import type { DeviceNumber } from '@lms/block-stream';

export type FreezeMark = '-' | 'f' | 'F' | 'T' | 'X';

export interface FreezeListEntry {
  readonly mark: FreezeMark;
  readonly deviceNumber: DeviceNumber;
  readonly path: string;
}

export function freezeListPath(folder: string): string {
  return join(folder, 'freeze-list');
}

export function writeFreezeList(path: string, mounts: readonly Omit<FreezeListEntry, 'mark'>[]): void {
  writeFileSync(path, mounts.map((mount) => formatLine(mount)).join(''), { mode: 0o600 });
}

/** Empty when there is no list. */
export function readFreezeList(path: string): FreezeListEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
  return text.split('\n').flatMap((line) => {
    const match = /^([-fFTX]) (\d+:\d+) (.*)$/.exec(line);
    const deviceNumber = match === null ? null : parseDeviceNumber(match[2] as string);
    if (match === null || deviceNumber === null) return [];
    return [{ mark: match[1] as FreezeMark, deviceNumber, path: match[3] as string }];
  });
}

export function removeFreezeList(path: string): void {
  rmSync(path, { force: true });
}

/** Overwrites letters of a list that is there. */
export class FreezeMarker {
  readonly #fileDescriptor: number;
  readonly #offsets: readonly number[];

  constructor(path: string) {
    const lines = readFileSync(path, 'utf8').split('\n');
    let offset = 0;
    this.#offsets = lines.map((line) => {
      const start = offset;
      offset += Buffer.byteLength(line) + 1;
      return start;
    });
    this.#fileDescriptor = openSync(path, 'r+');
  }

  mark(mount: number, mark: FreezeMark): void {
    writeSync(this.#fileDescriptor, mark, this.#offsets[mount] ?? 0, 'latin1');
  }

  close(): void {
    closeSync(this.#fileDescriptor);
  }
}

function formatLine({ deviceNumber, path }: Omit<FreezeListEntry, 'mark'>): string {
  return `- ${formatDeviceNumber(deviceNumber)} ${path.replaceAll('\n', '?')}\n`;
}
