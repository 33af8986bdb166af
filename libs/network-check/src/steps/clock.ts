/** Two clocks, compared over a connection: their difference is known up to half of the round trip. No I/O. */
import type { StepOutcome } from '../report/report-builder.ts';

/** What assertions let pass (`CLOCK_TOLERANCE_SECONDS` of @lms/identity). */
export const MOST_SKEW_MILLISECONDS = 300_000;
/** A clock that is kept by NTP is never so far off; HTTP tells whole seconds. */
const WORTH_A_WARNING_MILLISECONDS = 30_000;

export interface ClockReading {
  /** What the other end said, epoch milliseconds. */
  readonly theirs: number;
  /** Ours, before the question and after the answer. */
  readonly askedAt: number;
  readonly answeredAt: number;
  /** How finely they tell: 1,000 for HTTP's Date. */
  readonly resolutionMilliseconds: number;
}

/** Theirs less ours; 0 where that cannot be told from none. */
export function clockSkewMilliseconds({ theirs, askedAt, answeredAt, resolutionMilliseconds }: ClockReading): number {
  const earliest = theirs - answeredAt;
  const latest = theirs + resolutionMilliseconds - askedAt;
  if (earliest > 0) return earliest;
  return latest < 0 ? latest : 0;
}

export function describeSkew(skewMilliseconds: number): string {
  if (skewMilliseconds === 0) return 'the clocks of both ends agree';
  const seconds = Math.round(Math.abs(skewMilliseconds) / 1_000);
  const amount = seconds >= 7_200 ? `${Math.round(seconds / 360) / 10} h` : `${seconds} s`;
  return `the clock of this host is ${amount} ${skewMilliseconds > 0 ? 'behind' : 'ahead of'} that of the other end`;
}

export function judgeSkew(skewMilliseconds: number): 'agree' | 'warning' | 'failed' {
  const size = Math.abs(skewMilliseconds);
  if (size > MOST_SKEW_MILLISECONDS) return 'failed';
  return size > WORTH_A_WARNING_MILLISECONDS ? 'warning' : 'agree';
}

export function skewOutcome(skewMilliseconds: number): StepOutcome {
  const detail = describeSkew(skewMilliseconds);
  return judgeSkew(skewMilliseconds) === 'warning' ? { detail, warning: 'CLOCK_SKEW' } : { detail };
}
