import { expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { connectWithSegments, pathMtuBytes } from './tcp-segments.ts';

for (const address of ['127.0.0.1', '::1']) {
  test(`a connection to ${address} with small segments carries bytes both ways`, async () => {
    const server = createServer((socket) => socket.pipe(socket));
    server.listen(0, address);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const asked = { address, port, maximumSegmentBytes: 600, timeoutMilliseconds: 5_000 };
      const socket = await connectWithSegments(asked);
      const sent = Buffer.alloc(10_000, 7);
      let received = 0;
      socket.on('data', (part: Buffer) => {
        received += part.length;
        if (received === sent.length) socket.end();
      });
      socket.write(sent);
      await once(socket, 'close');
      expect(received).toBe(sent.length);
      await new Promise((resolve) => server.close(resolve));
      await expect(connectWithSegments(asked)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    } finally {
      server.close();
    }
  });

  test(`the kernel knows the MTU of the path to ${address}`, () => {
    expect(pathMtuBytes(address, 443)).toBeGreaterThanOrEqual(1_280);
  });
}
