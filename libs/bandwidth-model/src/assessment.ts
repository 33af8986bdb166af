/** From what was measured of one machine to what a person asks: how much bandwidth, how long, how far behind, does it converge? */
import { MODEL_CONSTANTS, type ModelConstants } from './constants.ts';
import { distributionOf, scaleDistribution, type Distribution } from './distribution.ts';
import { modelInitialSync, type ModelledInitialSync } from './initial-sync.ts';
import { lagDistribution } from './lag.ts';
import { modelReplication } from './replication-model.ts';
import { combineSeries, cycleRates, durationSeconds, type WriteSeries } from './write-series.ts';

/**
 * What is needed is multiplied by this: TCP does not fill a link that others use too, packets are lost and sent again, and a
 * machine that was disconnected for an hour must catch up: at 1.25 in four.
 */
export const DEFAULT_HEADROOM = 1.25;
/** Nothing was sampled: as if it did not compress, which errs on the safe side. */
const UNKNOWN_RATIO = 1;
/** Modelled at least this long, so that slow rhythms (a freeze a minute) show. */
const MODELLED_SECONDS = 900;
/** Of that, the beginning is left out: the model starts with nothing dirty and no point. */
const SETTLING_SHARE = 0.2;

export interface MachineMeasurement {
  readonly disks: readonly DiskMeasurement[];
}

export interface DiskMeasurement {
  readonly device: string;
  readonly sizeBytes: number;
  readonly series: WriteSeries;
  readonly runBlocks: number | null;
  /** Compressed by raw bytes of what is written; null: not known. */
  readonly writtenRatio: number | null;
  /** … and of what lies on the disk. */
  readonly presentRatio: number | null;
}

export interface AssessmentOptions {
  /** What there is for this machine; null: not known, so nothing is said about time. */
  readonly linkBitsPerSecond: number | null;
  readonly cycleSeconds: number;
  readonly headroom: number;
  readonly pointIntervalSeconds: number;
  readonly freezeIntervalSeconds: number;
  readonly mayFreeze: boolean;
  readonly constants?: ModelConstants;
}

export interface Assessment {
  /** Bits a second on the wire, headroom included. */
  readonly needed: Distribution;
  readonly initialSync: ModelledInitialSync | null;
  /** Seconds; null: not known, or it does not converge. */
  readonly lag: Distribution | null;
  readonly converges: boolean | null;
}

export function assess(measurement: MachineMeasurement, options: AssessmentOptions): Assessment {
  const { headroom, cycleSeconds, linkBitsPerSecond, constants = MODEL_CONSTANTS } = options;
  const series = combineSeries(measurement.disks.map((disk) => disk.series));
  const writtenRatio = meanRatio(measurement.disks, 'writtenRatio', writtenWeight);
  const rates = distributionOf(cycleRates(series, cycleSeconds)) ?? { average: 0, p50: 0, p95: 0, peak: 0 };
  const wireBitsPerByte = 8 * writtenRatio * constants.wireOverhead;
  const needed = scaleDistribution(rates, wireBitsPerByte * headroom);
  if (linkBitsPerSecond === null) return { needed, initialSync: null, lag: null, converges: null };
  const initialSync = modelInitialSync({
    series,
    diskBytes: measurement.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
    presentRatio: meanRatio(measurement.disks, 'presentRatio', (disk) => disk.sizeBytes),
    writtenRatio,
    linkBitsPerSecond,
    constants,
  });
  const lag = initialSync.seconds === null ? null : expectedLag(measurement, series, writtenRatio, options);
  return { needed, initialSync, lag, converges: lag !== null };
}

/** Of a machine that replicates continuously; null when points stop coming. */
function expectedLag(
  { disks }: MachineMeasurement,
  series: WriteSeries,
  compressionRatio: number,
  options: AssessmentOptions,
): Distribution | null {
  const { linkBitsPerSecond, pointIntervalSeconds, freezeIntervalSeconds, mayFreeze, constants } = options;
  const modelled = modelReplication({
    series,
    compressionRatio,
    runBlocks: meanRun(disks),
    linkBitsPerSecond: linkBitsPerSecond as number,
    pointIntervalSeconds,
    freezeIntervalSeconds,
    mayFreeze,
    modelledSeconds: Math.max(MODELLED_SECONDS, durationSeconds(series)),
    ...(constants !== undefined && { constants }),
  });
  const { points, modelledSeconds } = modelled;
  const stillCome = (points.at(-1)?.committedSeconds ?? 0) > modelledSeconds * (1 - SETTLING_SHARE);
  return stillCome ? lagDistribution(points, modelledSeconds * SETTLING_SHARE, modelledSeconds) : null;
}

function meanRun(disks: readonly DiskMeasurement[]): number {
  const known = disks.flatMap(({ runBlocks }) => runBlocks ?? []);
  return known.length === 0 ? 1 : known.reduce((sum, run) => sum + run, 0) / known.length;
}

/** A disk that nothing was written to weighs next to nothing, and not nothing: there may be no other. */
function writtenWeight({ series }: DiskMeasurement): number {
  return 1 + series.ticks.reduce((sum, tick) => sum + tick.writtenBytes, 0);
}

function meanRatio(
  disks: readonly DiskMeasurement[],
  which: 'writtenRatio' | 'presentRatio',
  weigh: (disk: DiskMeasurement) => number,
): number {
  const weights = disks.map(weigh);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return (
    disks.reduce((sum, disk, index) => sum + (disk[which] ?? UNKNOWN_RATIO) * (weights[index] as number), 0) / total
  );
}
