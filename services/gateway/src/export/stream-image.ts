/** Pipes an upload into the operator's answer: counted, hashed, and given up when neither end moves. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LmsError } from '@lms/errors';
import type { ByteRange } from '../http/byte-range.ts';
import { imageHeaders, type DiskImage } from './disk-image.ts';
import type { Receipt, Upload } from './export-exchange.ts';

/** A replication server that reads holes, or an operator whose disk flushes, moves again within this. */
const IDLE_MILLISECONDS = 120_000;

export interface ImageAnswer {
  readonly image: DiskImage;
  /** Null: the whole was asked for. */
  readonly range: ByteRange | null;
  readonly operationId: string;
}

/**
 * The length goes ahead, so that what was cut off can never pass for a whole, and no trailer is needed, which many proxies
 * drop. What was last is held back until the upload has ended in order: who has counted all bytes may hang up at once, and
 * that must not look like an operator who went away.
 */
export async function streamImage(
  upload: Upload,
  response: ServerResponse,
  answer: ImageAnswer,
  idleMilliseconds: number = IDLE_MILLISECONDS,
): Promise<Receipt> {
  const hash = createHash('sha256');
  let received = 0;
  let last: Buffer | null = null;
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
      const ready = last;
      last = chunk;
      return ready === null ? done() : done(null, ready);
    },
    flush(done) {
      if (received !== upload.sizeBytes) return done(wrongSize(received, upload.sizeBytes));
      return last === null ? done() : done(null, last);
    },
  });
  try {
    const { image, operationId } = answer;
    const range = servedRange(upload, answer);
    response.writeHead(range === null ? 200 : 206, imageHeaders(image, range, operationId));
    await pipeline(upload.body, meter, response, { signal: idle.signal });
    return { sizeBytes: received, sha256: hash.digest('hex') };
  } catch (error) {
    if (response.headersSent) response.destroy();
    upload.body.resume();
    if (idle.signal.aborted) throw idle.signal.reason;
    throw error instanceof LmsError
      ? error
      : new LmsError('CANCELLED', `the export ended after ${received} of ${upload.sizeBytes} bytes`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A replication server of a release that knows no parts sends the whole, which is a right answer to any range. */
function servedRange({ sizeBytes }: Upload, { image, range }: ImageAnswer): ByteRange | null {
  if (range !== null && sizeBytes === range.lengthBytes) return range;
  if (sizeBytes === image.sizeBytes) return null;
  throw wrongSize(sizeBytes, range?.lengthBytes ?? image.sizeBytes);
}

function wrongSize(received: number, expected: number): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${received} bytes came of an export of ${expected}`);
}
