import { isIP } from 'node:net';
import { LmsError } from '@lms/errors';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** HOST:PORT, `[::1]:443` among them. */
export function parseListenAddress(listen: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new LmsError('INVALID_ARGUMENT', `${listen} is no address to listen on`, {
      field: 'listen',
      action: 'give HOST:PORT, such as 127.0.0.1:8443 or [::1]:8443',
    });
  }
  return { host, port: Number(port) };
}

export function formatHostPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** What the certificate must name: what was given, and the address itself unless that is "all of them". */
export function certificateNames(names: readonly string[], host: string): readonly string[] {
  const loopback = ['localhost', '127.0.0.1', '::1'];
  return [...new Set([...names, ...(UNSPECIFIED.has(host) ? loopback : [host])])];
}
