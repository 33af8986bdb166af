/** TCP to every address of a host, at the same time; what stands in the way of each is told apart. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { formatAuthority } from '@lms/proxy';
import type { CheckLimits } from '../limits.ts';
import { within } from '../limits.ts';
import type { CheckReason } from '../report/reasons.ts';
import { StepFailure } from '../report/step-failure.ts';
import type { ResolvedAddress } from './resolve.ts';

export interface Attempt {
  readonly address: ResolvedAddress;
  readonly milliseconds: number;
  /** null: it was connected to. */
  readonly failure: StepFailure | null;
}

export interface Connected {
  /** To the first address, in the resolver's order, that can be connected to. Half-open is allowed on it. */
  readonly socket: Socket;
  readonly address: ResolvedAddress;
  readonly milliseconds: number;
  readonly attempts: readonly Attempt[];
}

/** Throws the failure of the first address when none can be connected to. */
export async function connectToAny(
  addresses: readonly ResolvedAddress[],
  port: number,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<Connected> {
  const tried = await Promise.all(addresses.map((address) => tryAddress(address, port, limits, signal)));
  const attempts = tried.map(({ address, milliseconds, failure }): Attempt => ({ address, milliseconds, failure }));
  let chosen: Connected | null = null;
  for (const { address, milliseconds, socket } of tried) {
    if (socket === null) continue;
    if (chosen === null && !signal.aborted) chosen = { socket, address, milliseconds, attempts };
    else socket.destroy();
  }
  signal.throwIfAborted();
  if (chosen !== null) return chosen;
  const [first] = attempts;
  const reason = first?.failure?.reason ?? 'CHECK_FAILED';
  throw new StepFailure(reason, attempts.map(({ failure }) => failure?.message ?? '').join('; '), first?.failure);
}

async function tryAddress(
  address: ResolvedAddress,
  port: number,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<Attempt & { readonly socket: Socket | null }> {
  const startedAt = performance.now();
  const sinceStart = (): number => Math.round(performance.now() - startedAt);
  try {
    const socket = await connectTo(address, port, limits, signal);
    return { address, milliseconds: sinceStart(), failure: null, socket };
  } catch (thrown) {
    const failure = connectFailure(address.address, port, thrown);
    return { address, milliseconds: sinceStart(), failure, socket: null };
  }
}

/** A connection of one's own; the caller owns the socket. */
export async function connectTo(
  { address, family }: ResolvedAddress,
  port: number,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = connect({ host: address, port, family, allowHalfOpen: true, noDelay: true });
  // What happens to a socket that was given up, or waits for its next use, has nobody to tell.
  socket.on('error', () => undefined);
  try {
    await within(limits.connectMilliseconds, signal, timedOut(limits), () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.once('connect', resolve);
      socket.once('error', reject);
      return promise;
    });
    return socket;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
}

function timedOut({ connectMilliseconds }: CheckLimits): () => Error {
  return () => Object.assign(new Error(`no answer within ${connectMilliseconds} ms`), { code: 'ETIMEDOUT' });
}

const REASONS: Readonly<Record<string, { readonly reason: CheckReason; readonly words: string }>> = {
  ECONNREFUSED: { reason: 'TCP_REFUSED', words: 'refuses the connection' },
  ETIMEDOUT: { reason: 'TCP_TIMEOUT', words: 'does not answer' },
  ECONNRESET: { reason: 'TCP_RESET', words: 'resets the connection' },
  EPIPE: { reason: 'TCP_RESET', words: 'closed the connection' },
  EHOSTUNREACH: { reason: 'TCP_UNREACHABLE', words: 'is unreachable, says a router or this host' },
  ENETUNREACH: { reason: 'NO_ROUTE', words: 'is in a network to which there is no route' },
  EADDRNOTAVAIL: { reason: 'NO_ROUTE', words: 'needs an address that this host does not have' },
  EACCES: { reason: 'TCP_UNREACHABLE', words: 'is not allowed to be reached from here' },
  EPERM: { reason: 'TCP_UNREACHABLE', words: 'is not allowed to be reached from here, by a firewall of this host' },
};

export function connectFailure(address: string, port: number, thrown: unknown): StepFailure {
  if (thrown instanceof StepFailure) return thrown;
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  const known = REASONS[code];
  const target = formatAuthority(address, port);
  if (known !== undefined) return new StepFailure(known.reason, `${target} ${known.words}`, thrown);
  return new StepFailure('TCP_UNREACHABLE', `${target} cannot be connected to: ${code || message}`, thrown);
}

export function describeAttempts(attempts: readonly Attempt[], port: number): string {
  return attempts
    .map(({ address, milliseconds, failure }) =>
      failure === null ? `${formatAuthority(address.address, port)} in ${milliseconds} ms` : failure.message,
    )
    .join('; ');
}
