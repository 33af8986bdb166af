import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, expect, test } from '@jest/globals';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { ProxyError } from './failure.ts';
import type { ProxySettings } from './settings.ts';
import { openTunnel } from './tunnel.ts';

const never = new AbortController().signal;
const TARGET = { host: 'manager.example', port: 443 };
const sockets = new Set<Socket>();
const servers: Server[] = [];

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await Promise.all(servers.splice(0).map((server) => new Promise((closed) => server.close(closed))));
});

function keep<Kept extends Socket>(socket: Kept): Kept {
  sockets.add(socket);
  socket.on('error', () => undefined);
  return socket;
}

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  servers.push(server);
  server.on('connection', keep);
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const settings = (url: string, more: Partial<ProxySettings> = {}): ProxySettings => ({
  url,
  username: null,
  password: null,
  noProxy: [],
  caPem: null,
  ...more,
});

/** Says this when it has heard the whole request, and ends the connection if told to. */
async function saying(answer: string | Uint8Array, heard: string[] = [], end = false): Promise<ProxySettings> {
  const port = await listen(
    createServer((socket) => {
      let text = '';
      socket.on('data', (data) => {
        text += data.toString();
        if (!text.includes('\r\n\r\n')) return;
        heard.push(text);
        text = '';
        socket.write(answer);
        if (end) socket.end();
      });
    }),
  );
  return settings(`http://127.0.0.1:${port}`);
}

async function failureBy(proxy: ProxySettings, timeoutMilliseconds?: number): Promise<ProxyError> {
  const limit = timeoutMilliseconds === undefined ? {} : { timeoutMilliseconds };
  const thrown = await openTunnel({ proxy, ...TARGET, signal: never, ...limit }).then(keep, (error: unknown) => error);
  expect(thrown).toBeInstanceOf(ProxyError);
  return thrown as ProxyError;
}

test('after 200 the bytes are those of the other end, what came at once with the answer included', async () => {
  const heard: string[] = [];
  const proxy = await saying('HTTP/1.1 200 Connection established\r\n\r\nfirst bytes', heard);
  const socket = keep(await openTunnel({ proxy, ...TARGET, signal: never }));
  const [first] = (await once(socket, 'data')) as [Buffer];
  expect(first.toString()).toBe('first bytes');
  expect(heard[0]).toMatch(/^CONNECT manager\.example:443 HTTP\/1\.1\r\n/);
  expect(heard[0]).toMatch(/^host: manager\.example:443$/im);
  expect(heard[0]).not.toMatch(/proxy-authorization/i);
});

test('a user is named by Basic, in UTF-8, and an address of IPv6 in brackets', async () => {
  const heard: string[] = [];
  const proxy = { ...(await saying('HTTP/1.1 200 OK\r\n\r\n', heard)), username: 'kim', password: 'pä:ss' };
  keep(await openTunnel({ proxy, host: 'fd00::1', port: 443, signal: never }));
  expect(heard[0]).toMatch(/^CONNECT \[fd00::1\]:443 HTTP/);
  const given = /^proxy-authorization: Basic (\S+)$/im.exec(heard[0] ?? '')?.[1] ?? '';
  expect(Buffer.from(given, 'base64').toString()).toBe('kim:pä:ss');
});

test('a proxy at an address of IPv6 is reached', async () => {
  const port = await listen(
    createServer((socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))),
    '::1',
  );
  keep(await openTunnel({ proxy: settings(`http://[::1]:${port}`), ...TARGET, signal: never }));
});

test('a proxy behind TLS is believed by its CA, and by that alone', async () => {
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const key = await createPrivateKeyPem();
  const cert = await authority.issueGateway(await createCertificateRequest(key), ['127.0.0.1']);
  const server = createTlsServer({ key, cert }, (socket) => {
    keep(socket).once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nthrough'));
  });
  const port = await listen(server);
  const proxy = settings(`https://127.0.0.1:${port}`, { caPem: authority.certificatePem });
  const socket = keep(await openTunnel({ proxy, ...TARGET, signal: never }));
  expect(((await once(socket, 'data')) as [Buffer])[0].toString()).toBe('through');
  const untrusted = await failureBy({ ...proxy, caPem: null });
  expect(untrusted.reason).toBe('PROXY_TLS_UNTRUSTED');
  expect(untrusted.action).toContain('--proxy-ca');
  const otherName = await failureBy({ ...proxy, url: `https://localhost:${port}` });
  expect(otherName.reason).toBe('PROXY_TLS_UNTRUSTED');
});

test('http where https is spoken, and the reverse, is told with what would be right', async () => {
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const key = await createPrivateKeyPem();
  const cert = await authority.issueGateway(await createCertificateRequest(key), ['127.0.0.1']);
  const tlsServer = createTlsServer({ key, cert });
  tlsServer.on('tlsClientError', () => undefined);
  const clear = await failureBy(settings(`http://127.0.0.1:${await listen(tlsServer)}`));
  expect([clear.reason, clear.action]).toEqual(['PROXY_NOT_A_PROXY', expect.stringContaining('https://')]);
  const alert = await failureBy(await saying(new Uint8Array([0x15, 3, 1, 0, 2, 2, 0x46])));
  expect([alert.reason, alert.message]).toEqual(['PROXY_NOT_A_PROXY', expect.stringContaining('speaks TLS')]);
  const web = await listen(createHttpServer());
  const secret = await failureBy(settings(`https://127.0.0.1:${web}`));
  expect([secret.reason, secret.action]).toEqual(['PROXY_NOT_A_PROXY', expect.stringContaining('http://')]);
});

test('nobody there, and a name that nobody knows, is unreachable', async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((closed) => server.close(closed));
  servers.length = 0;
  const refused = await failureBy(settings(`http://127.0.0.1:${port}`));
  expect([refused.reason, refused.code]).toEqual(['PROXY_UNREACHABLE', 'UNAVAILABLE']);
  expect(refused.message).toContain('ECONNREFUSED');
  expect((await failureBy(settings('http://no-such-proxy.invalid:3128'))).reason).toBe('PROXY_UNREACHABLE');
});

test('a web server is no proxy', async () => {
  const port = await listen(createHttpServer((_request, response) => response.end('hello')));
  expect((await failureBy(settings(`http://127.0.0.1:${port}`))).reason).toBe('PROXY_NOT_A_PROXY');
});

test.each([
  ['garbage', 'SSH-2.0-OpenSSH_9.9\r\n\r\n'],
  ['nothing but zeros', new Uint8Array(4_096)],
  ['an answer that is no number', 'HTTP/1.1 abc OK\r\n\r\n'],
  ['a header without an end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}`],
  ['a thousand headers', `HTTP/1.1 200 OK\r\n${'x-header: 0123456789\r\n'.repeat(5_000)}\r\n`],
])('%s is not HTTP of a proxy', async (_name, answer) => {
  expect((await failureBy(await saying(answer))).reason).toBe('PROXY_NOT_A_PROXY');
});

test.each(['', 'HTTP/1.1 200', 'HTTP/1.1 200 OK\r\nx: y\r\n'])(
  'an answer that is cut off is told as that: %j',
  async (answer) => {
    const failure = await failureBy(await saying(answer, [], true));
    expect(failure.reason).toBe('PROXY_NOT_A_PROXY');
    expect(failure.message).toContain('broke off');
  },
);

test('a refusal keeps what it says', async () => {
  const proxy = await saying('HTTP/1.1 407 Auth\r\nProxy-Authenticate: NTLM\r\nContent-Length: 3\r\n\r\nno!', [], true);
  expect((await failureBy(proxy)).reason).toBe('PROXY_SCHEME_UNSUPPORTED');
});

test('one that says nothing, or a byte now and then, is out of time', async () => {
  expect((await failureBy(await saying(''), 200)).reason).toBe('PROXY_TIMEOUT');
  const port = await listen(
    createServer((socket) => {
      const trickle = setInterval(() => socket.write('H'), 5);
      socket.on('close', () => clearInterval(trickle));
    }),
  );
  const failure = await failureBy(settings(`http://127.0.0.1:${port}`), 200);
  expect(['PROXY_TIMEOUT', 'PROXY_NOT_A_PROXY']).toContain(failure.reason);
});

test("the caller's own abort ends it, and is not told as the proxy's fault", async () => {
  const giveUp = new AbortController();
  const heard: string[] = [];
  const opening = openTunnel({ proxy: await saying('', heard), ...TARGET, signal: giveUp.signal });
  giveUp.abort();
  await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('the socket is half-open: what the other end sends after we ended is still read', async () => {
  const port = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.on('end', () => socket.end('the last word'));
        socket.resume();
      });
    }),
  );
  const socket = keep(await openTunnel({ proxy: settings(`http://127.0.0.1:${port}`), ...TARGET, signal: never }));
  socket.end();
  expect(((await once(socket, 'data')) as [Buffer])[0].toString()).toBe('the last word');
  await once(socket, 'close');
});

test('nothing stays open of a way that failed', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const port = await listen(
    createServer((socket) => {
      socket.on('close', () => resolve());
      socket.once('data', () => socket.write('HTTP/1.1 403 Forbidden\r\n\r\n'));
    }),
  );
  expect((await failureBy(settings(`http://127.0.0.1:${port}`))).reason).toBe('PROXY_FORBIDDEN');
  await closed;
});
