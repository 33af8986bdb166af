/**
 * Thread of `MarkerWriter`: visits every processor and writes the marker there, so that it lands in that ring. A thread
 * of its own, because a thread that hops cannot do anything else, and because a processor may be slow to take it.
 */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { NORMAL_PRIORITY, pinThread, setThreadPriority } from '@lms/linux';
import type { MarkerRequest, MarkerResult, MarkerWorkerData } from './marker-writer.ts';

const { fileDescriptor, processors } = workerData as MarkerWorkerData;
const port = parentPort;
if (port === null) throw new Error('marker-worker.ts runs as a worker thread only');

/** ID and four bytes of content: the kernel refuses a marker without content on some versions. */
const record = new DataView(new ArrayBuffer(8));
const bytes = new Uint8Array(record.buffer);

function writeMarkers(markerId: number): string | null {
  record.setUint32(0, markerId, true);
  try {
    for (const processor of processors) {
      pinThread(processor);
      writeSync(fileDescriptor, bytes);
    }
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

port.on('message', (request: MarkerRequest) => {
  if (request === null) {
    port.close();
    return;
  }
  const { markerId } = request;
  // A marker is waited for, also between freeze and thaw (R17). Each time: the agent sets all its threads back.
  setThreadPriority(0, NORMAL_PRIORITY);
  const result: MarkerResult = { markerId, failure: writeMarkers(markerId) };
  port.postMessage(result);
});
