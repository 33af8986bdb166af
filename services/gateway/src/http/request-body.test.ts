import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from '@jest/globals';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decodeBody } from './request-body.ts';

const server = createServer();
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

/** A request of which the head has come, and the first bytes of the body. */
async function request(head: string, body: Uint8Array | string) {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
  const arrived = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n${head}\r\n`);
  client.write(body);
  const [raw, answer] = await arrived;
  return { client, raw, answer };
}

const decode = ({ raw, answer }: { raw: IncomingMessage; answer: ServerResponse }) =>
  decodeBody({ raw, headers: raw.headers } as FastifyRequest, { raw: answer } as unknown as FastifyReply, raw);
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('a body whose sender is gone before it is looked at holds no process for its time limit', async () => {
  const gone = await request('', 'abc');
  const closed = once(gone.answer, 'close');
  gone.client.destroy();
  await closed;
  const before = timers();
  decode(gone);
  expect(timers()).toBe(before);
});

test('nor does one whose sender is there: its connection does', async () => {
  const there = await request('', 'abc');
  const before = timers();
  decode(there);
  expect(timers()).toBe(before);
});

test('a compressed body is decompressed, and an encoding that is not known refused', async () => {
  const compressed = await request('content-encoding: gzip\r\n', gzipSync('abc'));
  const [data] = (await once(decode(compressed), 'data')) as [Buffer];
  expect(data.toString()).toBe('abc');
  const other = await request('content-encoding: lzma\r\n', 'abc');
  expect(() => decode(other)).toThrow('the content encoding "lzma" is not known');
});
