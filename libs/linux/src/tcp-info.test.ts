import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { readTcpInfo } from './tcp-info.ts';

test('what the other end has taken is counted, and the way there and back has a time', async () => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  try {
    const before = readTcpInfo(descriptorOf(socket)).acknowledgedBytes;
    socket.end(Buffer.alloc(100_000));
    await once(socket, 'finish');
    let info = readTcpInfo(descriptorOf(socket));
    while (info.acknowledgedBytes - before < 100_000) {
      await new Promise((resolve) => setImmediate(resolve));
      info = readTcpInfo(descriptorOf(socket));
    }
    expect(info.roundTripMicroseconds).toBeGreaterThan(0);
    expect(info.maximumSegmentBytes).toBeGreaterThan(500);
  } finally {
    socket.destroy();
    server.close();
  }
});

function descriptorOf(socket: Socket): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}
