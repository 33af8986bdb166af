// One figure of the bench: medians of interleaved runs, and the ratio that holds when the machine's speed drifts.

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: { readonly name: string; readonly value: number } | null;
  /** Ours against the peer; above 1 is better for a rate, below 1 for a cost. Null without a peer. */
  readonly ratio: number | null;
  readonly runs: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((first, second) => first - second);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((first, second) => first - second);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The ratio is the median of the ratios of each round, not the ratio of the medians. */
export function compare(
  name: string,
  unit: string,
  ours: readonly number[],
  peerName: string,
  peer: readonly number[],
): Figure {
  const ratios = ours.map((value, round) => value / (peer[round] ?? Number.NaN));
  return {
    name,
    unit,
    ours: round3(median(ours)),
    peer: { name: peerName, value: round3(median(peer)) },
    ratio: round3(median(ratios)),
    runs: ours.length,
  };
}

export function single(name: string, unit: string, values: readonly number[]): Figure {
  return { name, unit, ours: round3(median(values)), peer: null, ratio: null, runs: values.length };
}

function round3(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, ours, peer, ratio, runs }) => [
    name,
    `${ours} ${unit}`,
    peer === null ? '' : `${peer.value} ${unit} (${peer.name})`,
    ratio === null ? '' : `${ratio} ×`,
    String(runs),
  ]);
  const all = [['figure', 'ours', 'peer', 'ratio', 'runs'], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
