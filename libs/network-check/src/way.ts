/** The first steps of every check: from a name to a connection, by a proxy where there is one. */
import type { Socket } from 'node:net';
import { ProxyError, formatAuthority, hostOfUrl, openTunnel } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import { toLmsError } from '@lms/errors';
import type { CheckLimits } from './limits.ts';
import type { ReportBuilder, StepOutcome } from './report/report-builder.ts';
import { StepFailure } from './report/step-failure.ts';
import { connectTo, connectToAny, describeAttempts } from './steps/connect.ts';
import type { Connected } from './steps/connect.ts';
import { resolveHost } from './steps/resolve.ts';
import type { ResolvedAddress } from './steps/resolve.ts';
import { describeRoute, findRoute } from './steps/route.ts';

export interface WayTarget {
  readonly host: string;
  readonly port: number;
  /** null: direct. */
  readonly proxy: ProxySettings | null;
}

export interface Way {
  /** The first connection; whoever takes it owns it. */
  readonly socket: Socket;
  /** What TCP goes to: the other end, or the proxy. */
  readonly address: ResolvedAddress;
  readonly port: number;
  readonly byProxy: boolean;
  /** Of the TCP handshake. */
  readonly roundTripMilliseconds: number;
  /** Another connection by the same way. */
  again(): Promise<Socket>;
}

/** DNS, ROUTE, TCP and PROXY. Throws `CheckEnded` when one fails. */
export async function findWay(
  builder: ReportBuilder,
  { host, port, proxy }: WayTarget,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<Way> {
  const hop = proxy === null ? { host, port } : hostOfUrl(proxy.url);
  const addresses = await builder.step('DNS', async () => {
    const found = await resolveHost(hop.host, limits, signal);
    return { value: found, outcome: { detail: describeAddresses(hop.host, found, proxy) } };
  });
  const routed = await builder.step('ROUTE', () => findRoutes(addresses, hop.port));
  const connected = await builder.step('TCP', async () => {
    const value = await connectToAny(routed, hop.port, limits, signal);
    return { value, outcome: connectOutcome(value, hop.port) };
  });
  const way = {
    address: connected.address,
    port: hop.port,
    byProxy: proxy !== null,
    roundTripMilliseconds: connected.milliseconds,
  };
  if (proxy === null) {
    return { ...way, socket: connected.socket, again: () => connectTo(connected.address, port, limits, signal) };
  }
  connected.socket.destroy();
  const tunnel = (): Promise<Socket> => openTunnelTo({ host, port, proxy }, limits, signal);
  const socket = await builder.step('PROXY', async () => {
    const value = await tunnel();
    return { value, outcome: { detail: `${proxy.url} opened a tunnel to ${formatAuthority(host, port)}` } };
  });
  return { ...way, socket, again: tunnel };
}

function describeAddresses(host: string, found: readonly ResolvedAddress[], proxy: ProxySettings | null): string {
  const list = found.map(({ address }) => address).join(', ');
  const what = list === host ? `${host} is an address` : `${host} is ${list}`;
  return proxy === null ? what : `${what} (the proxy, which looks the other end up itself)`;
}

/** Addresses without a route are left out, as programs do; the step fails when none is left. */
async function findRoutes(addresses: readonly ResolvedAddress[], port: number) {
  const looked = await Promise.all(
    addresses.map(async (address) => {
      try {
        return {
          address,
          detail: `${address.address} ${describeRoute(await findRoute(address, port))}`,
          failure: null,
        };
      } catch (thrown) {
        const failure = thrown as StepFailure;
        return { address, detail: failure.message, failure };
      }
    }),
  );
  const detail = looked.map((each) => each.detail).join('; ');
  const value = looked.filter(({ failure }) => failure === null).map(({ address }) => address);
  if (value.length === 0) throw new StepFailure('NO_ROUTE', detail, looked[0]?.failure);
  return { value, outcome: { detail } };
}

/** Programs wait for an address that drops what comes before they try the next: worth a warning. */
function connectOutcome({ attempts }: Connected, port: number): StepOutcome {
  const detail = describeAttempts(attempts, port);
  const failed = attempts.find(({ failure }) => failure !== null)?.failure;
  return failed === null || failed === undefined ? { detail } : { detail, warning: failed.reason };
}

async function openTunnelTo(
  { host, port, proxy }: WayTarget & { readonly proxy: ProxySettings },
  { tunnelMilliseconds }: CheckLimits,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    const socket = await openTunnel({ proxy, host, port, signal, timeoutMilliseconds: tunnelMilliseconds });
    socket.on('error', () => undefined);
    return socket;
  } catch (thrown) {
    signal.throwIfAborted();
    const { message, action } = toLmsError(thrown);
    const text = action === null ? message : `${message} (${action})`;
    throw new StepFailure(thrown instanceof ProxyError ? thrown.reason : 'PROXY_UNREACHABLE', text, thrown);
  }
}
