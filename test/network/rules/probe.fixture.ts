// Tries all of these at once, and prints those that answered, a line each.
//
//   node probe.fixture.ts tcp:ADDRESS:PORT udp:ADDRESS:PORT …

import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import process from 'node:process';

/** What is dropped never answers. What goes through takes some milliseconds, and a second where the first packet was lost. */
const PATIENCE_MILLISECONDS = 1_700;

function answers(protocol: string, host: string, port: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  signal.addEventListener('abort', () => resolve(false), { once: true });
  if (protocol === 'tcp') {
    const socket = createConnection({ host, port });
    socket.on('data', () => resolve(true));
    socket.on('error', () => resolve(false));
    return promise.finally(() => socket.destroy());
  }
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', () => resolve(true));
  socket.on('error', () => resolve(false));
  socket.send('there', port, host, (error) => {
    if (error !== null) resolve(false);
  });
  return promise.finally(() => socket.close());
}

const limit = AbortSignal.timeout(PATIENCE_MILLISECONDS);
const found = await Promise.all(
  process.argv.slice(2).map(async (target) => {
    const [, protocol = '', host = '', port = ''] = /^(\w+):(.*):(\d+)$/.exec(target) ?? [];
    return (await answers(protocol, host, Number(port), limit)) ? [target] : [];
  }),
);
process.stdout.write(found.flat().join('\n'));
process.exit();
