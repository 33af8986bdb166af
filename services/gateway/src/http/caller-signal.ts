import { LmsError } from '@lms/errors';
import type { FastifyReply } from 'fastify';

/** Aborted when the caller has gone before it got its answer: whatever waits for its sake must end. */
export function callerSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new LmsError('CANCELLED', 'the caller has gone'));
  });
  return gone.signal;
}
