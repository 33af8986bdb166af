/**
 * A TLS handshake that goes on whatever certificate comes, so that what is wrong with it can be told; whoever gets the
 * result must look at its verdict before anything secret is sent.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { CheckLimits } from '../limits.ts';
import { within } from '../limits.ts';
import { StepFailure } from '../report/step-failure.ts';
import { handshakeFailure } from './handshake-failure.ts';

export interface Handshake {
  readonly socket: TLSSocket;
  /** `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string | null;
  readonly certificate: X509Certificate;
  /** OpenSSL's word for what is wrong with the chain, or Node's for the name; null: nothing. */
  readonly problem: string | null;
}

export type TlsQuestion = Pick<
  ConnectionOptions,
  'ca' | 'secureContext' | 'key' | 'cert' | 'ALPNProtocols' | 'minVersion' | 'ciphers'
> & {
  /** What the certificate must be for; asked for by SNI unless it is an address. */
  readonly name: string;
  /** For errors: `host:port`. */
  readonly peer: string;
};

/** Takes the socket over: it is destroyed when the handshake fails. */
export async function shakeHands(
  socket: Socket,
  { name, peer, ...question }: TlsQuestion,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<Handshake> {
  // Documented for net sockets and honoured by tls.connect; its types leave it out.
  const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    ...question,
    socket,
    host: name,
    servername: isIP(name) === 0 ? name : '',
    rejectUnauthorized: false,
    allowHalfOpen: true,
  };
  const secured = connect(options);
  secured.on('error', () => undefined);
  const late = (): Error =>
    new StepFailure(
      'TLS_TIMEOUT',
      `${peer} did not finish the TLS handshake within ${limits.handshakeMilliseconds} ms`,
    );
  try {
    await within(limits.handshakeMilliseconds, signal, late, () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      secured.once('secureConnect', resolve);
      secured.once('error', reject);
      secured.once('close', () => reject(new Error('closed')));
      return promise;
    });
    const certificate = secured.getPeerX509Certificate();
    if (certificate === undefined) throw new StepFailure('TLS_UNTRUSTED', `${peer} showed no certificate`);
    return {
      socket: secured,
      version: secured.getProtocol() ?? 'unknown',
      cipher: secured.getCipher().standardName,
      alpn: secured.alpnProtocol || null,
      certificate,
      // Typed as an error; it is the error's code.
      problem: secured.authorized ? null : String(secured.authorizationError as unknown),
    };
  } catch (thrown) {
    secured.destroy();
    socket.destroy();
    signal.throwIfAborted();
    throw handshakeFailure(peer, thrown);
  }
}

export function describeHandshake({ version, cipher, certificate }: Handshake): string {
  return `${version}, ${cipher}, certificate of ${nameOf(certificate.subject)} by ${nameOf(certificate.issuer)}, in force until ${certificate.validToDate.toISOString()}`;
}

/** The common name, where there is one: the rest of a distinguished name tells little in a line. */
export function nameOf(distinguishedName: string): string {
  const common = /^CN=(.*)$/m.exec(distinguishedName)?.[1];
  return JSON.stringify(common ?? distinguishedName.replaceAll('\n', ', '));
}
