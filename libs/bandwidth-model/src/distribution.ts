/** Average, p95 and peak of figures; percentiles by the nearest rank, so that each is a figure that was there. */
export interface Distribution {
  readonly average: number;
  readonly p50: number;
  readonly p95: number;
  readonly peak: number;
}

/** Null of nothing. */
export function distributionOf(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return {
    average: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    peak: sorted.at(-1) as number,
  };
}

export function scaleDistribution({ average, p50, p95, peak }: Distribution, factor: number): Distribution {
  return { average: average * factor, p50: p50 * factor, p95: p95 * factor, peak: peak * factor };
}

/** `sorted`: ascending, at least one. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number;
}
