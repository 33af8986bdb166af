/** One measurement of a machine: its writes over a time, and samples of what they and the disks hold. */
import type { DiskMeasurement } from '@lms/bandwidth-model';
import { countMountedFileSystems, openUnidentifiedDisks, systemClock } from '../kernel/index.ts';
import { measureWrites, type WriteMeasurement } from './measure-writes.ts';
import type { Measurement } from './measurement.ts';
import { openOwnInstance, removeOwnInstance } from './own-instance.ts';
import { CompressionSampler } from './sample-compression.ts';

/** Sweeps begin at most once a second: a tick is to be shorter. */
const TICK_SECONDS = 0.25;
/** A day of short ticks would not fit in memory. */
const LONG_SECONDS = 3_600;
const LONG_TICK_SECONDS = 1;
/** Samples that are still to be read when the time is over get so long. */
const REST_MILLISECONDS = 20_000;

export interface MachineMeasuring {
  readonly devices: readonly string[];
  readonly durationSeconds: number;
  readonly progress: (doneSeconds: number) => void;
  readonly signal: AbortSignal;
}

export async function measureMachine(measuring: MachineMeasuring): Promise<Measurement> {
  const resources = new AsyncDisposableStack();
  try {
    return await measureWith(resources, measuring);
  } finally {
    await resources.disposeAsync();
  }
}

async function measureWith(
  resources: AsyncDisposableStack,
  { devices, durationSeconds, progress, signal }: MachineMeasuring,
): Promise<Measurement> {
  const disks = await openUnidentifiedDisks(devices);
  resources.defer(async () => {
    await Promise.all(disks.map((disk) => disk.close()));
  });
  resources.defer(removeOwnInstance);
  const trace = await openOwnInstance(disks);
  resources.defer(() => trace.close());
  const sampler = new CompressionSampler(disks, systemClock);
  const startedAt = new Date().toISOString();
  const over = new AbortController();
  const present = sampler.samplePresent(AbortSignal.any([signal, over.signal]));
  let written: WriteMeasurement;
  try {
    written = await measureWrites({
      disks,
      trace,
      clock: systemClock,
      durationSeconds,
      tickSeconds: durationSeconds > LONG_SECONDS ? LONG_TICK_SECONDS : TICK_SECONDS,
      touched: (disk, ranges) => sampler.touched(disk, ranges),
      progress,
      signal,
    });
    const rest = AbortSignal.any([signal, AbortSignal.timeout(REST_MILLISECONDS)]);
    await Promise.race([present, ended(rest)]);
    over.abort();
    await present;
    await sampler.sampleWritten(rest);
  } finally {
    over.abort();
    await present.catch(() => undefined);
  }
  return {
    startedAt,
    endedEarly: written.endedEarly,
    mountedFileSystems: countMountedFileSystems(disks),
    disks: written.disks.map(({ disk, series, runBlocks }): DiskMeasurement => {
      const { ratio: writtenRatio } = sampler.written(disk);
      const { ratio: presentRatio } = sampler.present(disk);
      return { device: disk.device, sizeBytes: disk.sizeBytes, series, runBlocks, writtenRatio, presentRatio };
    }),
  };
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
