/** A measurement as it is kept in a file: measured once (ten minutes), asked about many links and settings. */
import { readFile, writeFile } from 'node:fs/promises';
import { NEVER, type DiskMeasurement } from '@lms/bandwidth-model';
import { CommandError, withExit } from '@lms/command-line';
import { z } from 'zod';

const SCHEMA_VERSION = 1;
/** Of a day, with many disks. */
const MAXIMUM_TICKS = 400_000;

const Ratio = z.number().nonnegative().max(2).nullable();
const Tick = z.object({
  writtenBytes: z.number().nonnegative(),
  stillShare: z.number().min(0).max(1),
  blocksByAge: z.array(z.number().nonnegative()).length(NEVER + 1),
});
const Series = z.object({
  tickSeconds: z.number().positive(),
  blockSizeBytes: z.int().positive(),
  ticks: z.array(Tick).max(MAXIMUM_TICKS),
});
const Disk = z.object({
  device: z.string(),
  sizeBytes: z.int().positive(),
  series: Series,
  runBlocks: z.number().positive().nullable(),
  writtenRatio: Ratio,
  presentRatio: Ratio,
});
const MeasurementFile = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  startedAt: z.string(),
  endedEarly: z.string().nullable(),
  mountedFileSystems: z.int().nonnegative(),
  disks: z.array(Disk).min(1),
});

export interface Measurement {
  readonly startedAt: string;
  /** Why; null when it lasted as long as it should. */
  readonly endedEarly: string | null;
  /** Writable file systems on the disks: none, and a point needs a moment without writes. */
  readonly mountedFileSystems: number;
  readonly disks: readonly DiskMeasurement[];
}

export async function saveMeasurement(path: string, measurement: Measurement): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...measurement })}\n`);
  } catch (thrown) {
    throw withExit('failed', thrown, `cannot keep the measurement in ${path}`);
  }
}

export async function loadMeasurement(path: string): Promise<Measurement> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    throw withExit('failed', thrown, `cannot read the measurement ${path}`);
  }
  const parsed = MeasurementFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new CommandError('failed', 'INVALID_ARGUMENT', `${path} is no measurement of this version`, {
    action: 'Measure again, with --save FILE.',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
