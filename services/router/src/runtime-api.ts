/** HAProxy's runtime API: a command on its Unix socket, and what it answers. One connection each, as it is made for. */
import { connect } from 'node:net';
import { LmsError } from '@lms/errors';

const TIMEOUT_MILLISECONDS = 10_000;
/** A map of 100,000 machines is some 20 MB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** What a process that is ready to be asked answers; several commands are parted by `;`. */
export type RuntimeApi = (command: string) => Promise<string>;

export function runtimeApi(socketPath: string): RuntimeApi {
  return async (command) => {
    const socket = connect(socketPath);
    socket.setTimeout(TIMEOUT_MILLISECONDS, () => socket.destroy(new Error('HAProxy does not answer')));
    const parts: Buffer[] = [];
    let bytes = 0;
    try {
      // Its own end closes the connection; a half-closed one would be answered by nothing.
      socket.write(`${command}\n`);
      for await (const part of socket) {
        parts.push(part as Buffer);
        bytes += (part as Buffer).length;
        if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer of HAProxy is too long');
      }
    } catch (thrown) {
      throw new LmsError('UNAVAILABLE', `HAProxy at ${socketPath}: ${(thrown as Error).message}`, { cause: thrown });
    } finally {
      socket.destroy();
    }
    return Buffer.concat(parts).toString('utf8').trim();
  };
}
