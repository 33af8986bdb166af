/** How much passes in a time, told for people; too little is a warning. No I/O. */
import type { StepOutcome } from '../report/report-builder.ts';

export interface Transfer {
  readonly direction: 'up' | 'down';
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Less says nothing about a line: it is over before TCP has found its speed. */
const TELLING_BYTES = 64 * 1024;

export function bitsPerSecond({ bytes, milliseconds }: Transfer): number {
  return (bytes * 8_000) / Math.max(1, milliseconds);
}

export function throughputOutcome(
  transfers: readonly Transfer[],
  roundTripMilliseconds: number,
  slowBitsPerSecond: number,
): StepOutcome {
  const rates = transfers.map((transfer) => `${formatRate(bitsPerSecond(transfer))} ${transfer.direction}`);
  const detail = [...rates, `round trip ${formatMilliseconds(roundTripMilliseconds)}`].join(', ');
  const slow = transfers.some(
    (transfer) => transfer.bytes >= TELLING_BYTES && bitsPerSecond(transfer) < slowBitsPerSecond,
  );
  return slow ? { detail, warning: 'THROUGHPUT_LOW' } : { detail };
}

export function formatRate(rate: number): string {
  const mega = rate / 1_000_000;
  return mega >= 10 ? `${Math.round(mega)} Mbit/s` : `${Math.round(mega * 100) / 100} Mbit/s`;
}

export function formatMilliseconds(milliseconds: number): string {
  return milliseconds < 10 ? `${Math.round(milliseconds * 10) / 10} ms` : `${Math.round(milliseconds)} ms`;
}
