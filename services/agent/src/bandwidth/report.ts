/** What `lms-agent bandwidth` says, for programs and for people. Unknown is null and "unknown", never 0. */
import { cycleRates, distributionOf, durationSeconds, formatLinkRate, writtenBytes } from '@lms/bandwidth-model';
import type { Assessment, AssessmentOptions, DiskMeasurement, Distribution } from '@lms/bandwidth-model';
import { formatBytes, formatDurationSeconds, formatFields, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import type { Measurement } from './measurement.ts';
import type { PathReport } from './path.ts';
import { verdictOf, type Verdict } from './verdict.ts';

const NO_WRITES: Distribution = { average: 0, p50: 0, p95: 0, peak: 0 };

export interface BandwidthReport {
  readonly measuredAt: string;
  readonly durationSeconds: number;
  /** Why it was shorter than asked; null: it was not. */
  readonly endedEarly: string | null;
  readonly cycleSeconds: number;
  readonly headroom: number;
  readonly disks: readonly DiskReport[];
  readonly path: PathReport | null;
  readonly link: { readonly bitsPerSecond: number | null; readonly from: 'limit' | 'settings' | 'measured' | null };
  readonly needed: Bits;
  readonly initialSync: { readonly seconds: number | null; readonly wireBytes: number } | null;
  readonly lag: { readonly typicalSeconds: number; readonly p95Seconds: number; readonly worstSeconds: number } | null;
  readonly converges: boolean | null;
  readonly pointIntervalSeconds: number;
  readonly freezeIntervalSeconds: number;
  readonly freezing: boolean;
  readonly verdict: Verdict;
}

interface DiskReport {
  readonly device: string;
  readonly sizeBytes: number;
  /** All that was written, a second. */
  readonly writtenBytesPerSecond: number;
  /** Blocks that differ after a cycle, a second. */
  readonly uniqueBytesPerSecond: Omit<Distribution, 'p50'>;
  readonly writtenCompressionRatio: number | null;
  readonly presentCompressionRatio: number | null;
}

interface Bits {
  readonly averageBitsPerSecond: number;
  readonly p95BitsPerSecond: number;
  readonly peakBitsPerSecond: number;
}

export interface ReportParts {
  readonly measurement: Measurement;
  readonly options: AssessmentOptions;
  readonly assessment: Assessment;
  readonly path: PathReport | null;
  readonly linkFrom: BandwidthReport['link']['from'];
}

export function bandwidthResult(parts: ReportParts): Result {
  const value = reportOf(parts);
  return {
    value,
    names: () => [String(Math.ceil(value.needed.p95BitsPerSecond))],
    table: () => tableOf(value),
  };
}

function reportOf({ measurement, options, assessment, path, linkFrom }: ReportParts): BandwidthReport {
  const { needed, initialSync, lag, converges } = assessment;
  const { cycleSeconds, headroom, linkBitsPerSecond, pointIntervalSeconds, freezeIntervalSeconds } = options;
  return {
    measuredAt: measurement.startedAt,
    durationSeconds: Math.max(...measurement.disks.map(({ series }) => durationSeconds(series))),
    endedEarly: measurement.endedEarly,
    cycleSeconds,
    headroom,
    disks: measurement.disks.map((disk) => diskReport(disk, cycleSeconds)),
    path,
    link: { bitsPerSecond: linkBitsPerSecond, from: linkFrom },
    needed: {
      averageBitsPerSecond: Math.ceil(needed.average),
      p95BitsPerSecond: Math.ceil(needed.p95),
      peakBitsPerSecond: Math.ceil(needed.peak),
    },
    initialSync:
      initialSync === null ? null : { seconds: initialSync.seconds, wireBytes: Math.round(initialSync.wireBytes) },
    lag: lag === null ? null : { typicalSeconds: lag.p50, p95Seconds: lag.p95, worstSeconds: lag.peak },
    converges,
    pointIntervalSeconds,
    freezeIntervalSeconds,
    freezing: options.mayFreeze,
    verdict: verdictOf(options, assessment),
  };
}

function diskReport(disk: DiskMeasurement, cycleSeconds: number): DiskReport {
  const { device, sizeBytes, series, writtenRatio, presentRatio } = disk;
  const { average, p95, peak } = distributionOf(cycleRates(series, cycleSeconds)) ?? NO_WRITES;
  return {
    device,
    sizeBytes,
    writtenBytesPerSecond: writtenBytes(series) / Math.max(series.tickSeconds, durationSeconds(series)),
    uniqueBytesPerSecond: { average, p95, peak },
    writtenCompressionRatio: writtenRatio,
    presentCompressionRatio: presentRatio,
  };
}

function tableOf(report: BandwidthReport): string {
  const { durationSeconds: seconds, endedEarly, headroom, needed, path, link, initialSync, lag } = report;
  const disks = formatTable(
    ['DISK', 'SIZE', 'WRITTEN', 'TO SEND, AVERAGE', 'P95', 'PEAK', 'WRITES SHRINK TO', 'DISK SHRINKS TO'],
    report.disks.map((disk) => [
      disk.device,
      formatBytes(disk.sizeBytes),
      rate(disk.writtenBytesPerSecond),
      rate(disk.uniqueBytesPerSecond.average),
      rate(disk.uniqueBytesPerSecond.p95),
      rate(disk.uniqueBytesPerSecond.peak),
      percent(disk.writtenCompressionRatio),
      percent(disk.presentCompressionRatio),
    ]),
  );
  const fields = formatFields([
    ['measured', `${formatDurationSeconds(seconds)}${endedEarly === null ? '' : `, ended early: ${endedEarly}`}`],
    [
      'needed',
      `${formatLinkRate(needed.averageBitsPerSecond)} on average, ${formatLinkRate(needed.p95BitsPerSecond)} for 95 % of the time, ${formatLinkRate(needed.peakBitsPerSecond)} at the peak (with headroom: × ${headroom})`,
    ],
    ['path', path === null ? 'not measured: no address is known' : path.detail],
    ['link', link.from === null ? 'unknown' : `${formatLinkRate(link.bitsPerSecond)} (${LINK_FROM[link.from]})`],
    ['initial sync', initialSync === null ? 'unknown' : initialSyncText(initialSync)],
    [
      'lag',
      lag === null
        ? 'unknown'
        : `${formatDurationSeconds(lag.typicalSeconds)} typically, ${formatDurationSeconds(lag.p95Seconds)} for 95 % of the time, ${formatDurationSeconds(lag.worstSeconds)} at worst`,
    ],
    ['converges', report.converges === null ? 'unknown' : report.converges ? 'yes' : 'no'],
  ]);
  const { sentence, action } = report.verdict;
  return `${disks}\n\n${fields}\n\n${sentence}${action === null ? '' : ` ${action}`}`;
}

const LINK_FROM: Readonly<Record<'limit' | 'settings' | 'measured', string>> = {
  limit: 'as given',
  settings: 'the limit in Replication Settings',
  measured: 'as measured now',
};

function initialSyncText({ seconds, wireBytes }: NonNullable<BandwidthReport['initialSync']>): string {
  if (seconds === null) return 'would never end';
  return `${formatDurationSeconds(seconds)}, ${formatBytes(wireBytes)} on the wire, with writes going on`;
}

function rate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

function percent(ratio: number | null): string {
  return ratio === null ? 'unknown' : `${Math.round(ratio * 100)} %`;
}
