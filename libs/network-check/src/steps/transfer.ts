/**
 * How much passes in a time, each way: frames of a check, a few of them on their way at once so that the round trip does not
 * count for each; half of the bytes and of the time for either way, whichever is used up first.
 */
import type { CheckLimits } from '../limits.ts';
import type { CheckExchange } from './check-exchange.ts';
import { refusalOf } from './block-stream-verdict.ts';
import type { Transfer } from './throughput.ts';

const FRAME_BYTES = 128 * 1024;
const FRAMES_AT_ONCE = 4;
const ROUND_TRIPS = 3;

export interface BothWays {
  readonly transfers: readonly Transfer[];
  readonly roundTripMilliseconds: number;
}

export async function measureBothWays(
  exchange: CheckExchange,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<BothWays> {
  const roundTrips: number[] = [];
  for (let count = 0; count < ROUND_TRIPS; count += 1) {
    roundTrips.push((await exchange.ask(0, 0, signal)).milliseconds);
  }
  const up = await measure('up', exchange, limits, signal);
  const down = await measure('down', exchange, limits, signal);
  return { transfers: [up, down], roundTripMilliseconds: Math.min(...roundTrips) };
}

async function measure(
  direction: Transfer['direction'],
  exchange: CheckExchange,
  { throughputBytes, throughputMilliseconds }: CheckLimits,
  signal: AbortSignal,
): Promise<Transfer> {
  const [sent, wanted] = direction === 'up' ? [FRAME_BYTES, 0] : [0, FRAME_BYTES];
  const startedAt = performance.now();
  const isOver = (): boolean =>
    asked * FRAME_BYTES >= throughputBytes / 2 || performance.now() - startedAt > throughputMilliseconds / 2;
  let asked = 0;
  let answered = 0;
  while (asked === 0 || answered < asked) {
    while (asked - answered < FRAMES_AT_ONCE && !isOver()) {
      asked += 1;
      // What breaks the connection is told by the answer that does not come.
      exchange.send(sent, wanted).catch(() => undefined);
    }
    const frame = await exchange.receive(signal);
    if (frame.type === 'error') throw refusalOf(frame);
    answered += 1;
  }
  return { direction, bytes: answered * FRAME_BYTES, milliseconds: performance.now() - startedAt };
}
