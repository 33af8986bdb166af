/** Numbers of a diagnosis as a person says them. */

export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'never';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A difference to the manager's clock, with its direction. */
export function formatClock(aheadSeconds: number): string {
  return `${formatDuration(Math.abs(aheadSeconds))} ${aheadSeconds < 0 ? 'behind' : 'ahead'}`;
}

export function formatBitRate(bitsPerSecond: number): string {
  if (bitsPerSecond < 1_000_000) return `${Math.round(bitsPerSecond / 1_000)} kbit/s`;
  if (bitsPerSecond < 1_000_000_000) return `${Math.round(bitsPerSecond / 100_000) / 10} Mbit/s`;
  return `${Math.round(bitsPerSecond / 100_000_000) / 10} Gbit/s`;
}
