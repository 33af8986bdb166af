import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { keepPort } from './previous-port.ts';

test('the port of before is kept while it is free, and any other is taken when it is not', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  expect(await keepPort('127.0.0.1', address.port)).toBe(0);
  server.close();
  await once(server, 'close');
  expect(await keepPort('127.0.0.1', address.port)).toBe(address.port);
  expect(await keepPort('127.0.0.1', null)).toBe(0);
});
