/**
 * The route to an address, and what this host would call itself there.
 *
 * Mechanism: a datagram socket is connected, which sends nothing and has the kernel choose route and source address, rules and
 * all; a table that is read would not know of rules. Which interface that is, and its gateway, is then looked up for people.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { StepFailure } from '../report/step-failure.ts';
import { findGateway } from './route-table.ts';
import type { ResolvedAddress } from './resolve.ts';

export interface Route {
  readonly sourceAddress: string;
  /** null: not found. */
  readonly device: string | null;
  readonly deviceMtuBytes: number | null;
  /** null: the address is in a network of this host, or it is not known. */
  readonly gateway: string | null;
}

export async function findRoute({ address, family }: ResolvedAddress, port: number): Promise<Route> {
  const sourceAddress = await chosenSource({ address, family }, port);
  const device = deviceOf(sourceAddress);
  return {
    sourceAddress,
    device,
    deviceMtuBytes: device === null ? null : numberIn(`/sys/class/net/${device}/mtu`),
    gateway: family === 4 && device !== null ? findGateway(textOf('/proc/net/route'), device, address) : null,
  };
}

async function chosenSource({ address, family }: ResolvedAddress, port: number): Promise<string> {
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once('error', reject);
  try {
    socket.connect(port, address, (error?: Error) => {
      if (error === undefined) resolve(socket.address().address);
      else reject(error);
    });
    return await promise;
  } catch (thrown) {
    const { code = 'no route' } = thrown as NodeJS.ErrnoException;
    throw new StepFailure('NO_ROUTE', `this host has no route to ${address} (${code})`, thrown);
  } finally {
    socket.close();
  }
}

function deviceOf(sourceAddress: string): string | null {
  const bare = sourceAddress.replace(/%.*$/, '');
  const found = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some(({ address }) => address === bare),
  );
  return found?.[0] ?? null;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function numberIn(path: string): number | null {
  const value = Number.parseInt(textOf(path), 10);
  return Number.isInteger(value) ? value : null;
}

export function describeRoute({ sourceAddress, device, deviceMtuBytes, gateway }: Route): string {
  const mtu = deviceMtuBytes === null ? '' : `, MTU ${deviceMtuBytes}`;
  const by = device === null ? '' : ` (${device}${mtu})`;
  return `from ${sourceAddress}${by}${gateway === null ? '' : ` by ${gateway}`}`;
}
