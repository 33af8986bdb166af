import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import type { ProxySettings } from '@lms/proxy';
import { z } from 'zod';
import { ConnectProxy } from '../../../../test/harness/connect-proxy.ts';
import { ApiClient } from './api-client.ts';
import { ManagerWay } from './manager-way.ts';
import { createDispatcher, fetchManagerCa } from './trust.ts';

const never = new AbortController().signal;

let authority: CertificateAuthority;
let server: Server;
let port: number;
let url: string;
let proxy: ConnectProxy;
/** Requests that came and were not answered yet. */
let waiting: (() => void)[] = [];
let connections = 0;

beforeEach(async () => {
  authority = await CertificateAuthority.open(await CertificateAuthority.create());
  waiting = [];
  connections = 0;
  server = createServer(await certificateOf(authority), (request, response) => {
    const answer = (): unknown =>
      response.end(JSON.stringify({ certificatePem: authority.certificatePem, sha256: authority.sha256 }));
    if (request.url === '/slow') waiting.push(answer);
    else answer();
  });
  server.on('secureConnection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
  url = `https://127.0.0.1:${port}`;
  proxy = await ConnectProxy.start();
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function certificateOf(signer: CertificateAuthority): Promise<{ key: string; cert: string }> {
  const key = await createPrivateKeyPem();
  return { key, cert: await signer.issueGateway(await createCertificateRequest(key), ['127.0.0.1', 'localhost']) };
}

function by(more: Partial<ProxySettings> = {}): ProxySettings {
  return { url: proxy.url, username: null, password: null, noProxy: [], caPem: null, ...more };
}

async function ask(
  settings: ProxySettings | null,
  managerUrl = url,
  caPem = authority.certificatePem,
): Promise<unknown> {
  const dispatcher = createDispatcher(caPem, settings);
  try {
    const client = new ApiClient({ managerUrl, dispatcher, retries: 0 });
    return await client.call({ method: 'GET', path: '/', answer: z.object({ certificatePem: z.string() }) });
  } finally {
    await dispatcher.destroy();
  }
}

test('what is asked goes by the proxy, and the CA is fetched by it too', async () => {
  await expect(ask(by())).resolves.toMatchObject({ certificatePem: authority.certificatePem });
  expect(proxy.asked).toEqual([`127.0.0.1:${port}`]);
  await expect(fetchManagerCa(url, authority.sha256, never, by())).resolves.toBe(authority.certificatePem);
  expect(proxy.asked).toHaveLength(2);
  await expect(ask(by(), `https://localhost:${port}`)).resolves.toMatchObject({});
  expect(proxy.asked.at(-1)).toBe(`localhost:${port}`);
});

test('what is left out is reached without it', async () => {
  await ask(by({ noProxy: ['127.0.0.0/8'] }));
  await ask(by({ noProxy: [`127.0.0.1:${port}`] }));
  expect(proxy.asked).toEqual([]);
  await ask(by({ noProxy: ['127.0.0.1:1'] }));
  expect(proxy.asked).toHaveLength(1);
});

test('a manager at an address of IPv6 is reached by the proxy and without it', async () => {
  const six = createServer(await certificateOfSix(), (_request, response) => response.end('{"certificatePem":""}'));
  six.listen(0, '::1');
  await once(six, 'listening');
  const managerUrl = `https://[::1]:${(six.address() as AddressInfo).port}`;
  try {
    await expect(ask(by(), managerUrl)).resolves.toEqual({ certificatePem: '' });
    expect(proxy.asked).toEqual([managerUrl.slice('https://'.length)]);
    await expect(ask(by({ noProxy: ['::/64'] }), managerUrl)).resolves.toEqual({ certificatePem: '' });
    await expect(ask(null, managerUrl)).resolves.toEqual({ certificatePem: '' });
    expect(proxy.asked).toHaveLength(1);
  } finally {
    six.closeAllConnections();
    await new Promise((closed) => six.close(closed));
  }
});

async function certificateOfSix(): Promise<{ key: string; cert: string }> {
  const key = await createPrivateKeyPem();
  return { key, cert: await authority.issueGateway(await createCertificateRequest(key), ['::1']) };
}

test('a proxy that re-signs TLS is an error, unless its CA is named; and that CA is believed nowhere else', async () => {
  const inspecting = await CertificateAuthority.open(await CertificateAuthority.create());
  const resigned = await certificateOf(inspecting);
  proxy.mood = { resigns: resigned };
  await expect(ask(by())).rejects.toMatchObject({
    reason: 'PROXY_TLS_INSPECTED',
    code: 'UNAUTHENTICATED',
    action: expect.stringContaining('--proxy-ca') as unknown,
  });
  const caPem = inspecting.certificatePem;
  await expect(ask(by({ caPem }))).resolves.toMatchObject({});
  const another = await CertificateAuthority.open(await CertificateAuthority.create());
  await expect(ask(by({ caPem: another.certificatePem }))).rejects.toMatchObject({ reason: 'PROXY_TLS_INSPECTED' });
  // The hash of the CA is compared, so that it may come by whoever looks into it.
  await expect(fetchManagerCa(url, authority.sha256, never, by())).resolves.toBe(authority.certificatePem);

  const impostor = createServer(resigned, (_request, response) => response.end('{"certificatePem":""}'));
  impostor.listen(0, '127.0.0.1');
  await once(impostor, 'listening');
  try {
    const managerUrl = `https://127.0.0.1:${(impostor.address() as AddressInfo).port}`;
    await expect(ask(by({ caPem, noProxy: ['127.0.0.1'] }), managerUrl)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  } finally {
    impostor.closeAllConnections();
    await new Promise((closed) => impostor.close(closed));
  }
});

test("the manager's own wrong name is not told as the proxy's fault", async () => {
  const elsewhere = { host: '127.0.0.1', port };
  proxy.mood = { leadsTo: elsewhere };
  const failure = await ask(by(), 'https://manager.example').catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(failure).not.toHaveProperty('reason');
});

test('a way that is opened to something else is told as that', async () => {
  const plain = createTcpServer((socket) => socket.end('220 mail.example ESMTP\r\n'));
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  proxy.mood = { leadsTo: { host: '127.0.0.1', port: (plain.address() as AddressInfo).port } };
  try {
    await expect(ask(by())).rejects.toMatchObject({ reason: 'PROXY_TUNNEL_BROKEN', code: 'UNAVAILABLE' });
  } finally {
    await new Promise((closed) => plain.close(closed));
  }
});

test('the refusal of a proxy comes through whole, and a wrong password is not tried again and again', async () => {
  proxy.mood = { answer: () => 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n' };
  const dispatcher = createDispatcher(authority.certificatePem, by({ username: 'kim', password: 'wrong' }));
  try {
    const client = new ApiClient({ managerUrl: url, dispatcher });
    const asked = client.call({ method: 'GET', path: '/', answer: z.object({}) });
    await expect(asked).rejects.toMatchObject({ reason: 'PROXY_AUTHENTICATION_REQUIRED' });
    expect(proxy.asked).toHaveLength(1);
  } finally {
    await dispatcher.destroy();
  }
});

test('a way that changes: what is under way comes to its end, or is given up; what is new takes the new way', async () => {
  const way = new ManagerWay(authority.certificatePem, null);
  const client = new ApiClient({ managerUrl: url, dispatcher: () => way.dispatcher, retries: 0 });
  const get = (path: string): Promise<object> => client.call({ method: 'GET', path, answer: z.object({}) });
  const begun = async (count: number): Promise<void> => {
    while (waiting.length < count) await once(server, 'request');
  };
  try {
    const finishing = get('/slow');
    await begun(1);
    way.change(by(), 'finish');
    await get('/');
    expect([connections, proxy.asked.length]).toEqual([2, 1]);
    waiting[0]?.();
    await finishing;

    const givenUp = get('/slow');
    await begun(2);
    way.change(null, 'give-up');
    await expect(givenUp).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await get('/');
    expect([connections, proxy.asked.length]).toEqual([3, 1]);
  } finally {
    await way.close();
  }
});

test('closing ends ways that are still being opened', async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const silent = createTcpServer((socket) => socket.once('data', () => resolve()));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  try {
    const settings = by({ url: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` });
    const way = new ManagerWay(authority.certificatePem, settings);
    const client = new ApiClient({ managerUrl: url, dispatcher: () => way.dispatcher, retries: 0 });
    const asking = client.call({ method: 'GET', path: '/', answer: z.object({}) }).catch((thrown: unknown) => thrown);
    await asked;
    await way.close();
    expect(await asking).toMatchObject({ name: 'LmsError' });
  } finally {
    // Ends when nothing is connected any more.
    await new Promise((closed) => silent.close(closed));
  }
});
