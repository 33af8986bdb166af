// A write trace as the series that `lms-agent bandwidth` would measure, without a disk.

import { LOOK_INTERVAL_SECONDS, TouchRecorder, type WriteSeries } from '@lms/bandwidth-model';
import type { TracedWrite } from './write-trace.ts';

const BLOCK_BYTES = 65_536;
const TICK_SECONDS = 0.25;

export function seriesOfTrace(writes: readonly TracedWrite[], seconds: number): WriteSeries {
  const recorder = new TouchRecorder();
  const looks = Math.round(TICK_SECONDS / LOOK_INTERVAL_SECONDS);
  const ticks = [];
  let next = 0;
  for (let tick = 0; tick * TICK_SECONDS < seconds; tick++) {
    let bytes = 0;
    const busyLooks = new Set<number>();
    for (let write = writes[next]; write !== undefined; write = writes[next]) {
      const at = write.milliseconds / 1000 - tick * TICK_SECONDS;
      if (at >= TICK_SECONDS) break;
      busyLooks.add(Math.floor(at / LOOK_INTERVAL_SECONDS));
      const first = Math.floor(write.offsetBytes / BLOCK_BYTES);
      const last = Math.floor((write.offsetBytes + write.lengthBytes - 1) / BLOCK_BYTES);
      recorder.touch(first, last - first + 1);
      bytes += write.lengthBytes;
      next++;
    }
    ticks.push(recorder.endTick(bytes, 1 - busyLooks.size / looks));
  }
  return { tickSeconds: TICK_SECONDS, blockSizeBytes: BLOCK_BYTES, ticks };
}
