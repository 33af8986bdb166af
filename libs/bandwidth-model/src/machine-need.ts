/**
 * What a machine that has an agent needs, from the statistics that it sent: counters that grow, every few seconds.
 *
 * `bytesDirtied` counts a block once for each time that it has to be sent at the pace at which the machine is replicated now, so
 * it is what the link has to carry to keep that pace; faster replication sends what is rewritten more often. Special cases: a
 * counter that went back belongs to a new process, or to tracking that began anew; a gap tells nothing, and is left out.
 */
import { MODEL_CONSTANTS } from './constants.ts';
import { distributionOf, scaleDistribution, type Distribution } from './distribution.ts';

/** Longer between two samples is a gap: the agent was away. */
const LONGEST_INTERVAL_SECONDS = 60;
/** Less tells nothing about peaks. */
const LEAST_SECONDS = 30;
const UNKNOWN_RATIO = 1;

/** Counters of one sample; null: not told. */
export interface CounterSample {
  readonly atSeconds: number;
  readonly bytesDirtied: number | null;
  readonly bytesSentWire: number | null;
  readonly bytesRaw: number | null;
}

/** Bits a second that an interval needed on the wire. */
export interface NeedInterval {
  readonly atSeconds: number;
  readonly seconds: number;
  readonly bitsPerSecond: number;
}

export interface MachineNeed {
  /** Without headroom. */
  readonly intervals: readonly NeedInterval[];
  readonly measuredSeconds: number;
  readonly compressionRatio: number;
  /** Without headroom; null: too little is known. */
  readonly bitsPerSecond: Distribution | null;
}

/** `samples`: oldest first. */
export function machineNeed(samples: readonly CounterSample[]): MachineNeed {
  const compressionRatio = ratioOf(samples);
  const wireBitsPerByte = 8 * compressionRatio * MODEL_CONSTANTS.wireOverhead;
  const intervals: NeedInterval[] = [];
  for (const [before, after] of pairs(samples)) {
    if (before.bytesDirtied === null || after.bytesDirtied === null) continue;
    const bytes = after.bytesDirtied - before.bytesDirtied;
    const seconds = after.atSeconds - before.atSeconds;
    if (bytes < 0 || seconds <= 0 || seconds > LONGEST_INTERVAL_SECONDS) continue;
    intervals.push({ atSeconds: before.atSeconds, seconds, bitsPerSecond: (bytes * wireBitsPerByte) / seconds });
  }
  const measuredSeconds = intervals.reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    intervals,
    measuredSeconds,
    compressionRatio,
    bitsPerSecond: measuredSeconds < LEAST_SECONDS ? null : weighted(intervals, measuredSeconds),
  };
}

/** Percentiles of intervals that are nearly all as long; the average is exact. */
function weighted(intervals: readonly NeedInterval[], measuredSeconds: number): Distribution | null {
  const distribution = distributionOf(intervals.map(({ bitsPerSecond }) => bitsPerSecond));
  if (distribution === null) return null;
  const bits = intervals.reduce((sum, { seconds, bitsPerSecond }) => sum + seconds * bitsPerSecond, 0);
  return { ...scaleDistribution(distribution, 1), average: bits / measuredSeconds };
}

function ratioOf(samples: readonly CounterSample[]): number {
  let sent = 0;
  let raw = 0;
  for (const [before, after] of pairs(samples)) {
    const sentNow = (after.bytesSentWire ?? 0) - (before.bytesSentWire ?? 0);
    const rawNow = (after.bytesRaw ?? 0) - (before.bytesRaw ?? 0);
    if (sentNow < 0 || rawNow < 0) continue;
    sent += sentNow;
    raw += rawNow;
  }
  return raw === 0 ? UNKNOWN_RATIO : sent / raw;
}

function pairs(samples: readonly CounterSample[]): (readonly [CounterSample, CounterSample])[] {
  return samples.slice(1).map((after, index) => [samples[index] as CounterSample, after] as const);
}
