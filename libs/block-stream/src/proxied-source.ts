/** Reads the PROXY header of a connection that was just accepted, and leaves the socket as if it had begun behind it. */
import type { Socket } from 'node:net';
import { LmsError, toLmsError } from '@lms/errors';
import { parseProxyHeader, type ProxyHeader } from './proxy-header.ts';

/** Where the stream came from; null: from the router itself. */
export function readProxiedSource(socket: Socket, timeoutMilliseconds: number): Promise<ProxyHeader['source']> {
  const { promise, resolve, reject } = Promise.withResolvers<ProxyHeader['source']>();
  let received: Buffer = Buffer.alloc(0);
  const onReadable = (): void => {
    try {
      const more = socket.read() as Buffer | null;
      if (more === null) return;
      received = Buffer.concat([received, more]);
      const header = parseProxyHeader(received);
      if (header === null) return;
      stop();
      const rest = received.subarray(header.lengthBytes);
      if (rest.length > 0) socket.unshift(rest);
      resolve(header.source);
    } catch (thrown) {
      fail(toLmsError(thrown));
    }
  };
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('readable', onReadable);
    socket.off('end', onGone);
    socket.off('error', onGone);
    socket.off('close', onGone);
  };
  const fail = (error: LmsError): void => {
    stop();
    // A socket that is given up may still report an error, and nobody listens for it.
    socket.on('error', () => undefined);
    reject(error);
  };
  const onGone = (): void => fail(new LmsError('UNAVAILABLE', 'the connection ended before its PROXY header'));
  const timer = setTimeout(() => {
    fail(new LmsError('DEADLINE_EXCEEDED', `no PROXY header came within ${timeoutMilliseconds} ms`));
  }, timeoutMilliseconds);
  socket.on('readable', onReadable);
  socket.on('end', onGone);
  socket.on('error', onGone);
  socket.on('close', onGone);
  return promise;
}
