// Debian's tinyproxy on a host of a test network: CONNECT to 443, and to nothing else.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BackgroundProcess } from '../../harness/background-process.ts';
import type { Cleanup } from '../../harness/cleanup.ts';
import { waitFor } from '../../harness/condition.ts';
import type { Host } from '../../harness/network/host.ts';

export const TINYPROXY_PORT = 8888;

export interface TinyproxyOptions {
  readonly host: Host;
  /** A folder of its own. */
  readonly folder: string;
  readonly cleanup: Cleanup;
  /** Default: 443. */
  readonly ports?: readonly number[];
}

/** Returns its URL. */
export async function startTinyproxy({ host, folder, cleanup, ports = [443] }: TinyproxyOptions): Promise<string> {
  mkdirSync(folder);
  const configuration = join(folder, 'tinyproxy.conf');
  const lines = [
    `Port ${TINYPROXY_PORT}`,
    'Timeout 600',
    'MaxClients 100',
    'LogLevel Connect',
    ...ports.map((port) => `ConnectPort ${port}`),
  ];
  writeFileSync(configuration, `${lines.join('\n')}\n`);
  const placed = host.place.command('tinyproxy', '-d', '-c', configuration);
  const process = new BackgroundProcess({ ...placed, logPath: join(folder, 'tinyproxy.log') });
  cleanup.add(`stop tinyproxy on ${host.name}`, async () => process.end());
  await waitFor('tinyproxy to listen', async () => {
    if (!process.running) throw new Error(`tinyproxy ended: ${process.log()}`);
    return (await host.run('ss', '--listening', '--tcp', '--numeric')).includes(`:${TINYPROXY_PORT} `);
  });
  return `http://${host.address}:${TINYPROXY_PORT}`;
}
