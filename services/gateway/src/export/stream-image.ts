/** Pipes an upload into the operator's answer: counted, hashed, and given up when neither end moves. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EXPORT_SHA256_TRAILER, EXPORT_SIZE_HEADER } from '@lms/api';
import { LmsError } from '@lms/errors';
import type { Receipt, Upload } from './export-exchange.ts';

/** A replication server that reads holes, or an operator whose disk flushes, moves again within this. */
const IDLE_MILLISECONDS = 120_000;

/**
 * The size goes ahead in a header, the SHA-256 behind in a trailer. The body is chunked, so that a stream that was cut off
 * can never pass for a whole one.
 */
export async function streamImage(
  upload: Upload,
  response: ServerResponse,
  idleMilliseconds: number = IDLE_MILLISECONDS,
): Promise<Receipt> {
  const hash = createHash('sha256');
  let received = 0;
  const idle = new AbortController();
  const giveUp = (): void => {
    const seconds = Math.round(idleMilliseconds / 1_000);
    idle.abort(new LmsError('DEADLINE_EXCEEDED', `the export has not moved for ${seconds} s, and was given up`));
  };
  const timer = setTimeout(giveUp, idleMilliseconds);
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (received > upload.sizeBytes) return done(wrongSize(received, upload.sizeBytes));
      hash.update(chunk);
      timer.refresh();
      return done(null, chunk);
    },
  });
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    [EXPORT_SIZE_HEADER]: String(upload.sizeBytes),
    trailer: EXPORT_SHA256_TRAILER,
    'cache-control': 'no-store',
  });
  try {
    await pipeline(upload.body, meter, response, { signal: idle.signal, end: false });
    if (received !== upload.sizeBytes) throw wrongSize(received, upload.sizeBytes);
    const sha256 = hash.digest('hex');
    response.addTrailers({ [EXPORT_SHA256_TRAILER]: sha256 });
    await end(response);
    return { sizeBytes: received, sha256 };
  } catch (error) {
    response.destroy();
    upload.body.resume();
    if (idle.signal.aborted) throw idle.signal.reason;
    throw error instanceof LmsError
      ? error
      : new LmsError('CANCELLED', `the export ended after ${received} of ${upload.sizeBytes} bytes`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function end(response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once('close', () => reject(new LmsError('CANCELLED', 'the operator went away at the end of the export')));
    response.end(() => resolve());
  });
}

function wrongSize(received: number, expected: number): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${received} bytes came of an export of ${expected}`);
}
