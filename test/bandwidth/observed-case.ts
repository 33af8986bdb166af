// What was seen of one machine that replicated while a trace was replayed, and what the model says about the same.

import {
  distributionOf,
  lagDistribution,
  modelReplication,
  type Distribution,
  type ModelConstants,
  type WriteSeries,
} from '@lms/bandwidth-model';
import type { LagLook } from './shaped-world.ts';

/** The first points belong to the machine before the replay. */
const SETTLING_SECONDS = 4;
const END_SECONDS = 0.5;

/** Of a file that `lms-agent bandwidth --save` writes. */
export interface SavedMeasurement {
  readonly disks: readonly {
    readonly series: WriteSeries;
    readonly runBlocks: number | null;
    readonly writtenRatio: number | null;
  }[];
}

export interface ObservedCase {
  readonly trace: string;
  readonly linkBitsPerSecond: number;
  readonly pointIntervalSeconds: number;
  readonly freezeIntervalSeconds: number;
  readonly beganAtSeconds: number;
  readonly endedAtSeconds: number;
  readonly looks: readonly LagLook[];
  readonly measurement: SavedMeasurement;
}

export function measuredLag({ looks, beganAtSeconds, endedAtSeconds }: ObservedCase): Distribution {
  const from = beganAtSeconds + SETTLING_SECONDS;
  const to = endedAtSeconds - END_SECONDS;
  const lags = looks.flatMap(({ atSeconds, lagSeconds }) =>
    atSeconds > from && atSeconds < to ? (lagSeconds ?? []) : [],
  );
  return required(distributionOf(lags), 'no lag was seen');
}

export function modelledLag(observed: ObservedCase, constants: ModelConstants): Distribution {
  const { measurement, linkBitsPerSecond, pointIntervalSeconds, freezeIntervalSeconds } = observed;
  const disk = required(measurement.disks[0] ?? null, 'no disk was measured');
  const seconds = observed.endedAtSeconds - observed.beganAtSeconds;
  const { points } = modelReplication({
    series: disk.series,
    compressionRatio: disk.writtenRatio ?? 1,
    runBlocks: disk.runBlocks ?? 1,
    linkBitsPerSecond,
    pointIntervalSeconds,
    freezeIntervalSeconds,
    mayFreeze: true,
    modelledSeconds: seconds,
    constants,
  });
  return required(lagDistribution(points, SETTLING_SECONDS, seconds - END_SECONDS), 'the model has no point');
}

function required<Value>(value: Value | null, otherwise: string): Value {
  if (value === null) throw new Error(otherwise);
  return value;
}
