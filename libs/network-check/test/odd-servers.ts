/** Other ends with one fault each, on the loopback, with certificates of real authorities. */
import { createServer as createHttpServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';

const DAY_MILLISECONDS = 86_400_000;
export const MACHINE_ID = 'm-0123456789abcdef0123';
export const SERVER_NAME = `${MACHINE_ID}.block-stream.lms.internal`;

export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

export async function createAuthority(): Promise<CertificateAuthority> {
  return CertificateAuthority.open(await CertificateAuthority.create());
}

/** For 443 or 1500, by `days` from now on as the issuer's clock has it. */
export async function issue(
  authority: CertificateAuthority,
  names: readonly string[],
  days = 0,
): Promise<KeyAndCertificate> {
  const key = await createPrivateKeyPem();
  const now = new Date(Date.now() + days * DAY_MILLISECONDS);
  return { key, cert: await authority.issueGateway(await createCertificateRequest(key), names, now) };
}

export async function issueMachine(authority: CertificateAuthority, days = 0): Promise<KeyAndCertificate> {
  const key = await createPrivateKeyPem();
  const now = new Date(Date.now() + days * DAY_MILLISECONDS);
  return { key, cert: await authority.issueMachine(await createCertificateRequest(key), MACHINE_ID, now) };
}

/** What a manager says to anybody. */
export function managerAnswers(authority: CertificateAuthority, daysAhead = 0): RequestListener {
  return (request, response) => {
    response.setHeader('date', new Date(Date.now() + daysAhead * DAY_MILLISECONDS).toUTCString());
    response.setHeader('content-type', 'application/json');
    if (request.url === '/v1/openapi.json') response.end(JSON.stringify({ paths: 'x'.repeat(50_000) }));
    else if (request.url === '/v1/ca') {
      response.end(JSON.stringify({ certificatePem: authority.certificatePem, sha256: authority.sha256 }));
    } else {
      const problem = { type: 'about:blank', title: 'Refused', status: 401, code: 'UNAUTHENTICATED' };
      response.statusCode = 401;
      response.end(JSON.stringify({ ...problem, detail: 'the assertion is not accepted' }));
    }
  };
}

/** Servers of one test; each is on a port of its own of 127.0.0.1. */
export class OddServers {
  readonly #servers: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

  https(options: ServerOptions, listener: RequestListener): Promise<number> {
    return this.#listen(createHttpsServer(options, listener));
  }

  http(listener: RequestListener): Promise<number> {
    return this.#listen(createHttpServer(listener));
  }

  tls(options: TlsOptions, onSocket: (socket: Socket) => void): Promise<number> {
    const server = createTlsServer(options, onSocket);
    server.on('tlsClientError', () => undefined);
    return this.#listen(server);
  }

  tcp(onSocket: (socket: Socket) => void): Promise<number> {
    return this.#listen(createServer(onSocket));
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(({ server, sockets }) => {
        for (const socket of sockets) socket.destroy();
        return new Promise((resolve) => server.close(resolve));
      }),
    );
  }

  async #listen(server: Server): Promise<number> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => undefined);
      sockets.add(socket);
    });
    this.#servers.push({ server, sockets });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}
