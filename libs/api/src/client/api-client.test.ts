import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import type { Agent } from 'undici';
import { z } from 'zod';
import { ApiClient, managerOrigin, type Authorization } from './api-client.ts';
import { accessTokenAuthorization } from './authorization.ts';
import { createDispatcher } from './trust.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

let server: Server;
let dispatcher: Agent;
let managerUrl: string;
let handler: Handler;
let requests: { readonly method: string; readonly url: string; readonly authorization: string | undefined }[];

beforeEach(async () => {
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const key = await createPrivateKeyPem();
  const cert = await authority.issueGateway(await createCertificateRequest(key), ['127.0.0.1']);
  requests = [];
  server = createServer({ key, cert }, (request, response) => {
    const { method = '', url = '' } = request;
    requests.push({ method, url, authorization: request.headers.authorization });
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => handler(request, response, Buffer.concat(parts)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  managerUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  dispatcher = createDispatcher(authority.certificatePem);
});
afterEach(async () => {
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

const Answer = z.object({ ok: z.boolean() });
const client = (authorization?: Authorization): ApiClient =>
  new ApiClient({ managerUrl, dispatcher, ...(authorization === undefined ? {} : { authorization }) });

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const problem = (status: number, code: string) => ({
  type: 't',
  title: 't',
  status,
  code,
  detail: 'why',
  action: 'do',
});

test('a call that may be repeated is, until it succeeds', async () => {
  handler = (_request, response) =>
    requests.length < 3 ? answer(response, 503, problem(503, 'UNAVAILABLE')) : answer(response, 200, { ok: true });
  expect(await client().call({ method: 'GET', path: '/v1/x', answer: Answer })).toEqual({ ok: true });
  expect(requests).toHaveLength(3);
});

test('a call that may not be repeated is made once, and its problem document is the error', async () => {
  handler = (_request, response) => answer(response, 503, problem(503, 'UNAVAILABLE'));
  const failure = client().call({ method: 'POST', path: '/v1/x', body: {}, answer: Answer });
  await expect(failure).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'why', action: 'do' });
  expect(requests).toHaveLength(1);
});

test('a failure that will not pass is not tried again', async () => {
  handler = (_request, response) => answer(response, 404, problem(404, 'NOT_FOUND'));
  await expect(client().call({ method: 'GET', path: '/v1/x', answer: Answer })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  expect(requests).toHaveLength(1);
});

test('an access token that is not accepted is fetched anew, once', async () => {
  let fetched = 0;
  const authorization = accessTokenAuthorization(async () => {
    fetched += 1;
    return { accessToken: `token-${fetched}`, expiresAt: new Date(Date.now() + 600_000).toISOString() };
  });
  handler = (request, response) =>
    request.headers.authorization === 'Bearer token-2'
      ? answer(response, 200, { ok: true })
      : answer(response, 401, problem(401, 'UNAUTHENTICATED'));
  const called = client(authorization);
  await called.call({ method: 'POST', path: '/v1/x', body: {}, answer: Answer });
  await called.call({ method: 'POST', path: '/v1/x', body: {}, answer: Answer });
  expect(requests.map((request) => request.authorization)).toEqual([
    'Bearer token-1',
    'Bearer token-2',
    'Bearer token-2',
  ]);
  handler = (_request, response) => answer(response, 401, problem(401, 'UNAUTHENTICATED'));
  await expect(called.call({ method: 'GET', path: '/v1/x', answer: Answer })).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
  });
  expect(requests).toHaveLength(5);
});

test('callers at the same time share one fetch of an access token, which is used until it nears its end', async () => {
  let fetched = 0;
  let lifeMilliseconds = 600_000;
  const authorization = accessTokenAuthorization(async () => {
    fetched += 1;
    return { accessToken: 'token', expiresAt: new Date(Date.now() + lifeMilliseconds).toISOString() };
  });
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 10 }, () => authorization.header(signal)));
  await authorization.header(signal);
  expect(fetched).toBe(1);
  authorization.reject();
  lifeMilliseconds = 29_000;
  await authorization.header(signal);
  await authorization.header(signal);
  expect(fetched).toBe(3);
});

test('a batch goes compressed, something small as it is', async () => {
  const seen: { readonly encoding: string | undefined; readonly body: Buffer }[] = [];
  handler = (request, response, body) => {
    seen.push({ encoding: request.headers['content-encoding'], body });
    answer(response, 200, { ok: true });
  };
  const long = { text: 'x'.repeat(10_000) };
  await client().call({ method: 'POST', path: '/v1/x', body: long, answer: Answer });
  await client().call({ method: 'POST', path: '/v1/x', body: { a: 1 }, answer: Answer });
  expect(seen[0]?.encoding).toBe('zstd');
  expect(JSON.parse(zstdDecompressSync(seen[0]?.body ?? Buffer.alloc(0)).toString())).toEqual(long);
  expect(seen[1]).toMatchObject({ encoding: undefined, body: Buffer.from('{"a":1}') });
});

test('an answer that is not of the schema, or of something before the manager, is told as such', async () => {
  handler = (_request, response) => answer(response, 200, { ok: 'yes' });
  const call = { method: 'GET', path: '/v1/x', answer: Answer } as const;
  await expect(client().call(call)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION', field: 'ok' });
  handler = (_request, response) => response.writeHead(502).end('<html>Bad gateway</html>');
  const single = new ApiClient({ managerUrl, dispatcher, retries: 0 });
  await expect(single.call(call)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('502'),
  });
});

test('a manager that does not answer is given up in time, and at once when the caller gives up', async () => {
  handler = () => undefined;
  const single = new ApiClient({ managerUrl, dispatcher, retries: 0 });
  const call = { method: 'GET', path: '/v1/x', answer: Answer } as const;
  await expect(single.call({ ...call, timeoutMilliseconds: 50 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  const giveUp = new AbortController();
  const waiting = client().call({ ...call, signal: giveUp.signal });
  giveUp.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('a manager is named by https and an origin', () => {
  expect(managerOrigin('https://manager.example:8443/')).toBe('https://manager.example:8443');
  for (const wrong of ['http://manager.example', 'manager.example', '']) expect(() => managerOrigin(wrong)).toThrow();
});
