/**
 * A path that loses large packets and tells nobody: TCP connects, small exchanges work, and what is longer than a packet never
 * arrives. What failed is tried once more with segments so small that every path carries them; when that works, it is proven.
 */
import type { Socket } from 'node:net';
import { connectWithSegments, pathMtuBytes } from '@lms/linux';
import type { CheckLimits } from '../limits.ts';
import { StepFailure } from '../report/step-failure.ts';
import type { Way } from '../way.ts';

/** With its headers below 576 bytes, which every IPv4 path carries, and far below the 1,280 of IPv6. */
const SMALL_SEGMENT_BYTES = 500;

/** The failure, or PATH_MTU instead of it where `work` succeeds on a connection of small segments. */
export async function orPathMtu(
  failure: unknown,
  way: Way,
  limits: CheckLimits,
  signal: AbortSignal,
  work: (socket: Socket) => Promise<void>,
): Promise<unknown> {
  signal.throwIfAborted();
  // Between this host and its proxy is only the first part of the path, and the tunnel is the proxy's.
  if (way.byProxy || !mayBeMtu(failure)) return failure;
  let socket: Socket | null = null;
  try {
    socket = await connectWithSegments({
      address: way.address.address,
      port: way.port,
      maximumSegmentBytes: SMALL_SEGMENT_BYTES,
      timeoutMilliseconds: limits.connectMilliseconds,
    });
    socket.on('error', () => undefined);
    await work(socket);
  } catch {
    signal.throwIfAborted();
    return failure;
  } finally {
    socket?.destroy();
  }
  const message = `${failure.message}; with segments of ${SMALL_SEGMENT_BYTES} bytes the same works: large packets are lost on the way`;
  return new StepFailure('PATH_MTU', message, failure);
}

const STALLS = new Set(['TLS_TIMEOUT', 'HTTP_NO_ANSWER', 'BLOCK_STREAM_NO_ANSWER']);

function mayBeMtu(failure: unknown): failure is StepFailure {
  return failure instanceof StepFailure && STALLS.has(failure.reason);
}

/** `what passed`, and what the kernel has learned of the path. */
export function describePathMtu({ address, port }: Way, what: string): string {
  try {
    return `${what} passed; packets of up to ${pathMtuBytes(address.address, port)} bytes, as far as this host knows`;
  } catch {
    return `${what} passed`;
  }
}
