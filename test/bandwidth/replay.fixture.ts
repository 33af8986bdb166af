// Replays a write trace into a file on a mounted disk, at the instants of the trace: `node replay.fixture.ts TRACE FILE RATIO SECONDS`.
//
// A process of its own, so that a busy test does not delay it. O_DIRECT, so that every write reaches the disk when it is made.
// Every write has new bytes, of which zstd leaves the given share. Prints "began" when the first write is due, and ends after
// SECONDS, going through the trace again when it is shorter.

import { constants, openSync, writeSync } from 'node:fs';
import { allocateAlignedMemory } from '@lms/linux';
import { pause } from '@lms/service';
import { fillWithRatio } from './compressible.ts';
import { loadTrace } from './write-trace.ts';

const ALIGNMENT_BYTES = 4096;
const LONGEST_BYTES = 1024 * 1024;

const [trace = '', file = '', ratio = '', seconds = ''] = process.argv.slice(2);
const writes = loadTrace(trace);
const loopMilliseconds = (writes.at(-1)?.milliseconds ?? 0) + 1000;
const limitMilliseconds = Number(seconds) * 1000;
const descriptor = openSync(file, constants.O_WRONLY | constants.O_DIRECT);
const buffer = allocateAlignedMemory(LONGEST_BYTES);

const unlimited = new AbortController().signal;
const beganAt = performance.now();
process.stdout.write('began\n');
replay: for (let round = 0; ; round++) {
  for (const { milliseconds, offsetBytes, lengthBytes } of writes) {
    const due = round * loopMilliseconds + milliseconds;
    if (due >= limitMilliseconds) break replay;
    const wait = beganAt + due - performance.now();
    if (wait > 1) await pause(wait, unlimited);
    write(offsetBytes, lengthBytes);
  }
}

function write(offsetBytes: number, lengthBytes: number): void {
  const start = Math.floor(offsetBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const end = Math.ceil((offsetBytes + lengthBytes) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  for (let at = start; at < end; at += LONGEST_BYTES) {
    const length = Math.min(LONGEST_BYTES, end - at);
    fillWithRatio(buffer.subarray(0, length), Number(ratio));
    writeSync(descriptor, buffer, 0, length, at);
  }
}
