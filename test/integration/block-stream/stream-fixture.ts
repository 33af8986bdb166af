/** A block-stream listener on a free port of this host, with certificates of a CA that is made for one test. */
import { connect } from 'node:tls';
import type { ConnectionOptions as TlsOptions, TLSSocket } from 'node:tls';
import { ALPN_PROTOCOL, connectBlockStream, createBlockStreamListener } from '@lms/block-stream';
import type { BlockStreamListener, ConnectOptions, ListenerOptions, TlsFrameConnection } from '@lms/block-stream';
import type { LmsError } from '@lms/errors';
import {
  CertificateAuthority,
  blockStreamServerName,
  createCertificateRequest,
  createPrivateKeyPem,
} from '@lms/identity';

export const MACHINE_ID = 'm-0123456789abcdef0123';

export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

export async function createAuthority(): Promise<CertificateAuthority> {
  return CertificateAuthority.open(await CertificateAuthority.create());
}

export async function machineCertificate(authority: CertificateAuthority, now?: Date): Promise<KeyAndCertificate> {
  const key = await createPrivateKeyPem();
  return { key, cert: await authority.issueMachine(await createCertificateRequest(key), MACHINE_ID, now) };
}

export async function serverCertificate(authority: CertificateAuthority): Promise<KeyAndCertificate> {
  const key = await createPrivateKeyPem();
  const names = ['*.block-stream.lms.internal'];
  return { key, cert: await authority.issueReplicationServer(await createCertificateRequest(key), 'server', names) };
}

export interface Accepted {
  readonly connection: TlsFrameConnection;
  readonly machineId: string;
}

export interface StreamFixture extends AsyncDisposable {
  readonly authority: CertificateAuthority;
  readonly machine: KeyAndCertificate;
  readonly listener: BlockStreamListener;
  readonly accepted: Accepted[];
  readonly refusals: LmsError[];
  /** Replaced by a test that serves connections itself. */
  onConnection: (accepted: Accepted) => void;
  /** As an agent does it. */
  connect(options?: Partial<ConnectOptions>): Promise<TlsFrameConnection>;
  /** As anybody can do it. */
  connectPlainly(options?: TlsOptions): TLSSocket;
}

export async function createStreamFixture(options: Partial<ListenerOptions> = {}): Promise<StreamFixture> {
  const authority = await createAuthority();
  const machine = await machineCertificate(authority);
  const closing: (() => void)[] = [];
  const accepted: Accepted[] = [];
  const refusals: LmsError[] = [];
  const listener = await createBlockStreamListener({
    host: '127.0.0.1',
    port: 0,
    ca: authority.certificatePem,
    ...(await serverCertificate(authority)),
    trustDomain: authority.trustDomain,
    onConnection: (connection, { machineId }) => {
      closing.push(() => connection.close());
      accepted.push({ connection, machineId });
      fixture.onConnection({ connection, machineId });
    },
    onRefused: (error) => refusals.push(error),
    ...options,
  });
  const target = { host: '127.0.0.1', port: listener.port, ca: authority.certificatePem, ...machine };
  const fixture: StreamFixture = {
    authority,
    machine,
    listener,
    accepted,
    refusals,
    onConnection: () => undefined,
    async connect(overrides = {}) {
      const serverName = blockStreamServerName(MACHINE_ID);
      const connection = await connectBlockStream({
        ...target,
        serverName,
        signal: new AbortController().signal,
        ...overrides,
      });
      closing.push(() => connection.close());
      return connection;
    },
    connectPlainly(overrides = {}) {
      const servername = blockStreamServerName(MACHINE_ID);
      const socket = connect({ ...target, servername, ALPNProtocols: [ALPN_PROTOCOL], ...overrides });
      socket.on('error', () => undefined);
      socket.resume();
      closing.push(() => socket.destroy());
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const close of closing) close();
      await listener.close();
    },
  };
  return fixture;
}
