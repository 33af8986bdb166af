/**
 * How fast the disks change against how fast that is sent, from the agent's samples. What was changed is what was sent
 * plus what the backlog grew by: so a block that is written again and again counts once, as it is sent once. Looked at is
 * the time since there was no backlog: a burst of writes that is being drained is no lack of bandwidth.
 */
import type { SeriesSample } from '@lms/proto';
import type { RateFacts } from './facts.ts';

/** What a system writes all the time, between two points. */
const DRAINED_BYTES = 1_048_576n;

/** Null: there is no backlog, or too few samples of one life of the agent. */
export function ratesOf(samples: readonly SeriesSample[]): RateFacts | null {
  const stretch = lastStretch(samples);
  const [first] = stretch;
  const last = stretch.at(-1);
  if (first?.at === undefined || last?.at === undefined) return null;
  const seconds = (last.at.getTime() - first.at.getTime()) / 1_000;
  if (seconds <= 0) return null;
  const sent = difference(last.bytesRaw, first.bytesRaw);
  const grown = Number((last.backlogBytes ?? 0n) - (first.backlogBytes ?? 0n));
  return {
    seconds,
    backlogBefore: Number(first.backlogBytes ?? 0n),
    backlogNow: Number(last.backlogBytes ?? 0n),
    writtenBytesPerSecond: Math.max(0, sent + grown) / seconds,
    sentBytesPerSecond: sent / seconds,
    wireBitsPerSecond: (difference(last.bytesSentWire, first.bytesSentWire) * 8) / seconds,
  };
}

/** Since everything was sent last, or since the agent began: its counters begin anew with each start. */
function lastStretch(samples: readonly SeriesSample[]): readonly SeriesSample[] {
  let begin = 0;
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1];
    const isNewLife = before !== undefined && (sample.bytesRaw ?? 0n) < (before.bytesRaw ?? 0n);
    if (isNewLife || (sample.backlogBytes ?? 0n) <= DRAINED_BYTES) begin = index;
  }
  return samples.slice(begin);
}

function difference(later: bigint | undefined, earlier: bigint | undefined): number {
  return Math.max(0, Number((later ?? 0n) - (earlier ?? 0n)));
}
