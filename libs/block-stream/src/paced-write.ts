/**
 * Writes in pieces, each when it may.
 *
 * Situation: a frame is up to 1 MiB, which at a low limit lasts for half a minute. Mechanism: pieces of the pacer's quantum, with
 * what TLS adds to them, each given to the socket when the one before is with the kernel; so what counts is when bytes leave.
 * Special case: where the limit is taken away within a frame, the rest goes at once. What TCP and IP add is not counted: it is not
 * ours to see, and some 3 % with packets of 1,500 bytes.
 */
import type { Writable } from 'node:stream';
import type { Pacer } from './pacer.ts';

/** TLS 1.3 with AES-256-GCM: header 5, type of content 1, tag 16. */
const RECORD_OVERHEAD_BYTES = 22;
const RECORD_BYTES = 16_384;

/** Rejects with what the socket or the signal says. */
export async function writePaced(
  socket: Pick<Writable, 'write'>,
  parts: readonly Uint8Array[],
  pacer: Pacer,
  signal: AbortSignal,
): Promise<void> {
  for (const part of parts) {
    let offset = 0;
    while (offset < part.byteLength) {
      const quantumBytes = pacer.quantumBytes();
      const piece = quantumBytes === null ? part.subarray(offset) : part.subarray(offset, offset + quantumBytes);
      if (quantumBytes !== null) await pacer.take(bytesOnWire(piece.byteLength), signal);
      signal.throwIfAborted();
      await write(socket, piece);
      offset += piece.byteLength;
    }
  }
}

function bytesOnWire(bytes: number): number {
  return bytes + Math.ceil(bytes / RECORD_BYTES) * RECORD_OVERHEAD_BYTES;
}

function write(socket: Pick<Writable, 'write'>, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(piece, (error) => (error ? reject(error) : resolve()));
  });
}
