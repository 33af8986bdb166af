/** Bodies: decompressed on the way in, bounded in length (both before and after) and in time. */
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { LmsError } from '@lms/errors';
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';

/** A body that comes slower than this holds a connection to do harm, or over a link on which nothing would work. */
const BODY_TIMEOUT_MILLISECONDS = 60_000;

/** fastify itself stops both lengths at the route's limit, so a small body that grows without end is cut off there. */
export function decodeBody(request: FastifyRequest, reply: FastifyReply, payload: RequestPayload): RequestPayload {
  // Whoever is gone by now (who calls is found out before) closes no more.
  if (!reply.raw.closed) limitTime(request, reply, payload);
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return payload;
  const decoder = encoding === 'zstd' ? createZstdDecompress() : encoding === 'gzip' ? createGunzip() : null;
  if (decoder === null) {
    throw new LmsError('INVALID_ARGUMENT', `the content encoding ${JSON.stringify(encoding)} is not known`, {
      field: 'content-encoding',
      action: 'use zstd, gzip or none',
    });
  }
  const decoded: Readable & { receivedEncodedLength?: number } = decoder;
  decoded.receivedEncodedLength = 0;
  payload.on('data', (chunk: Buffer) => {
    decoded.receivedEncodedLength = (decoded.receivedEncodedLength ?? 0) + chunk.length;
  });
  payload.once('error', (error: Error) => decoder.destroy(error));
  reply.raw.once('close', () => decoder.destroy());
  payload.pipe(decoder);
  return decoded;
}

function limitTime(request: FastifyRequest, reply: FastifyReply, payload: RequestPayload): void {
  const timer = setTimeout(() => request.raw.destroy(), BODY_TIMEOUT_MILLISECONDS);
  // The connection keeps the process alive; this must not when the connection is gone.
  timer.unref();
  payload.once('end', () => clearTimeout(timer));
  // Also when the body was refused before its end: the connection may serve the next request by then.
  reply.raw.once('close', () => clearTimeout(timer));
}
