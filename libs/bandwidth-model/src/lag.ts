/** Lag over time, of points that were measured or of points that the model foretells: the same arithmetic for both. */
import { distributionOf, type Distribution } from './distribution.ts';

/** Both in seconds of one clock. */
export interface CommittedPoint {
  /** What the point equals the source at. */
  readonly instantSeconds: number;
  /** From then on it counts. */
  readonly committedSeconds: number;
}

const LOOK_SECONDS = 0.05;

/**
 * Lag at an instant is its distance from the newest point's instant that was committed by then. `points`: oldest first. Looked at
 * 20 times a second, since every second counts the same to whoever loses it.
 * Null: there was no point.
 */
export function lagDistribution(
  points: readonly CommittedPoint[],
  fromSeconds: number,
  toSeconds: number,
): Distribution | null {
  const lags: number[] = [];
  let next = 0;
  for (let at = fromSeconds; at <= toSeconds; at += LOOK_SECONDS) {
    while (next < points.length && (points[next] as CommittedPoint).committedSeconds <= at) next++;
    const last = points[next - 1];
    if (last !== undefined) lags.push(at - last.instantSeconds);
  }
  return distributionOf(lags);
}
