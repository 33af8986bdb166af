import type { Server } from 'node:net';
import { LmsError } from '@lms/errors';
import { formatHostPort, type ListenAddress } from '../listen-address.ts';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'in use',
  EACCES: 'not allowed',
  EADDRNOTAVAIL: 'no address of this host',
};

/** The port that it listens on. `begin` makes the server listen; what a person can mend is told as such. */
export async function listenOn(
  server: Pick<Server, 'address'>,
  { host, port }: ListenAddress,
  begin: () => Promise<unknown>,
): Promise<number> {
  try {
    await begin();
  } catch (error) {
    const why = REASONS[(error as NodeJS.ErrnoException).code ?? ''];
    if (why === undefined) throw error;
    throw new LmsError('FAILED_PRECONDITION', `cannot listen on ${formatHostPort(host, port)}: it is ${why}`, {
      field: 'listen',
      action: 'give another address with --listen, or end the process that uses it',
      cause: error,
    });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new LmsError('INTERNAL', 'the gateway listens on no port');
  return address.port;
}
