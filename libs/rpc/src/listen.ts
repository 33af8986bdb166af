import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { LmsError } from '@lms/errors';
import { z } from 'zod';

export const LISTEN_ADDRESS = z.string().regex(/^.+:\d+$/, 'must be HOST:PORT');

/** The address that it listens on, with the port that was found where `listen` says 0. */
export async function bindServer(
  server: Server,
  component: string,
  listen: string,
  credentials: ServerCredentials,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(listen, credentials, (failure, port) => (failure === null ? resolve(port) : reject(failure)));
  try {
    return listen.replace(/:\d+$/, `:${await promise}`);
  } catch (thrown) {
    throw new LmsError('FAILED_PRECONDITION', `${component} cannot listen on ${listen}`, {
      action: 'Choose a free port, or 0 for any.',
      cause: thrown,
    });
  }
}
