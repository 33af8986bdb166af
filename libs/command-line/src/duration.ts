/** Durations as people type them: `500ms`, `60s`, `10m`, `1h`, `7d`. */
import { InvalidArgumentError } from 'commander';

const MILLISECONDS_OF_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A leap year: above it is a mistake, not a wish. */
const MAXIMUM_MILLISECONDS = 366 * 86_400_000;

/** Milliseconds. A number without a unit is refused: nobody can tell what was meant. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = MILLISECONDS_OF_UNIT[match?.[2] ?? ''];
  const milliseconds = unit === undefined ? Number.NaN : Math.round(Number(match?.[1]) * unit);
  if (!(milliseconds > 0 && milliseconds <= MAXIMUM_MILLISECONDS)) {
    throw new InvalidArgumentError(
      'A duration is a number and a unit, above 0 and at most 366d: 500ms, 60s, 10m, 1h, 7d.',
    );
  }
  return milliseconds;
}

/** `5s`, `3m 20s`, `2h 5m`, `3d 4h`; unknown (null) is "unknown", never 0. */
export function formatDurationSeconds(seconds: number | null): string {
  if (seconds === null) return 'unknown';
  if (seconds < 10) return `${Math.round(seconds * 10) / 10}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h ${Math.floor((whole % 3_600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3_600)}h`;
}
