// Takes connections on every port of a test world, TCP and UDP, of IPv4 and IPv6: what a firewall lets through gets an answer.
//
//   node listen.fixture.ts PORT…

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import process from 'node:process';

for (const port of process.argv.slice(2).map(Number)) {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end('here\n');
  });
  await once(server.listen(port, '::'), 'listening');
  const datagrams = createSocket('udp6');
  datagrams.on('message', (message, { port: from, address }) => datagrams.send(message, from, address));
  await once(datagrams.bind(port, '::'), 'listening');
}
process.stdout.write('listening\n');
