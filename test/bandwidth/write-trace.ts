// A recorded write trace: when, where and how much was written to a disk. One line a write, gzip around it:
// milliseconds since the beginning, offset and length in KiB (never smaller: file systems write no less than 1 KiB).

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

export interface TracedWrite {
  readonly milliseconds: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

const UNIT_BYTES = 1024;

export function tracePath(name: string): string {
  return join(import.meta.dirname, 'traces', `${name}.gz`);
}

export function saveTrace(name: string, writes: readonly TracedWrite[]): void {
  const lines = writes.map(
    ({ milliseconds, offsetBytes, lengthBytes }) =>
      `${milliseconds} ${Math.floor(offsetBytes / UNIT_BYTES)} ${Math.ceil(lengthBytes / UNIT_BYTES)}\n`,
  );
  writeFileSync(tracePath(name), gzipSync(lines.join(''), { level: 9 }));
}

export function loadTrace(name: string): readonly TracedWrite[] {
  const text = gunzipSync(readFileSync(tracePath(name))).toString('latin1');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [milliseconds, offset, length] = line.split(' ').map(Number) as [number, number, number];
      return { milliseconds, offsetBytes: offset * UNIT_BYTES, lengthBytes: length * UNIT_BYTES };
    });
}
