import { resolve } from 'node:path';
import type { DiskImageIdentity, DiskImagePlace, OperatorApi, Point } from '@lms/api';
import { CommandError, durationOption, formatBytes, formatDurationSeconds } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import { Option } from 'commander';
import type { Command } from 'commander';
import { downloadImage } from '../image/download.ts';
import { ImageFile } from '../image/image-file.ts';
import { findDigest } from '../image/known-digest.ts';
import { Patience } from '../image/patience.ts';
import { eachPage } from '../listing/pages.ts';
import { exportResult } from '../results/point.ts';
import type { ExportedImage } from '../results/point.ts';
import type { ManagerSession } from '../session.ts';
import { MACHINE, SEQUENCE } from './arguments.ts';

interface ExportOptions {
  readonly disk?: string;
  readonly format: 'raw';
  readonly output: string;
  readonly force?: boolean;
  readonly resume?: boolean;
  readonly timeout: number;
}

export function addExportCommand(point: Command, session: ManagerSession): void {
  point
    .command('export')
    .description('write a disk of a point to a file on this host, checked by its SHA-256')
    .argument(...MACHINE)
    .argument(...SEQUENCE)
    .option('--disk <disk>', 'id or device of the disk; may be left out where there is only one')
    .addOption(new Option('--format <format>', 'form of the file').choices(['raw']).default('raw'))
    .requiredOption('--output <file>', 'the file; it appears when it is whole and checked')
    .option('--force', 'replace an existing file')
    .option('--resume', 'go on with what an earlier export left in FILE.tmp; leave it where this one does not end')
    .addOption(durationOption('--timeout <time>', 'how long to go on trying while nothing comes', '10m'))
    .action(async (idOrName: string, sequence: number, options: ExportOptions) => {
      const exported = await session.use((api) => exportDisk(api, session, idOrName, sequence, options));
      await session.print(exportResult(exported));
    });
}

/** Whatever is in the file, none of it can be gone on with. */
class SpoiltImage extends LmsError {}

async function exportDisk(
  api: OperatorApi,
  session: ManagerSession,
  idOrName: string,
  sequence: number,
  options: ExportOptions,
): Promise<ExportedImage> {
  const path = resolve(options.output);
  const resume = options.resume === true;
  // First, since nobody should wait for a download that cannot be kept.
  const file = await ImageFile.create(path, { replace: options.force === true, resume });
  try {
    const disk = findDisk(await findPoint(api, session.signal, idOrName, sequence), options.disk);
    const place = { idOrName, sequence, diskId: disk.id };
    const patience = createPatience(session, file, options.timeout);
    const identity = await patience.keepTrying(() => api.diskImageIdentity(place, session.signal));
    const sha256 = await fill(file, { api, session, patience, place, identity });
    await file.publish();
    return { file: path, sequence, diskId: disk.id, format: options.format, sizeBytes: identity.sizeBytes, sha256 };
  } catch (thrown) {
    const gaveUp = thrown instanceof CommandError && thrown.exit === 'timedOut';
    if (thrown instanceof SpoiltImage || !(resume || gaveUp)) await file.discard();
    else await leave(file, session, path);
    throw thrown;
  }
}

async function leave(file: ImageFile, session: ManagerSession, path: string): Promise<void> {
  await file.leave();
  if (!file.isResumable) return;
  await session.tell(`${path}.tmp has ${formatBytes(file.lengthBytes)} of the disk; --resume goes on there`);
}

interface Filling {
  readonly api: OperatorApi;
  readonly session: ManagerSession;
  readonly patience: Patience;
  readonly place: DiskImagePlace;
  readonly identity: DiskImageIdentity;
}

/** Returns the SHA-256 of what is in the file then, which is that of the disk. */
async function fill(file: ImageFile, { api, session, patience, place, identity }: Filling): Promise<string> {
  const { signal, progress } = session;
  const { etag, sizeBytes } = identity;
  const content = { machine: place.idOrName, sequence: place.sequence, diskId: place.diskId, etag, sizeBytes };
  await file.begin(content, signal, (bytes) => progress.show('reading what is there', bytes, sizeBytes));
  const onProgress = (): void => progress.show('exporting', file.lengthBytes, sizeBytes);
  const operationId = await downloadImage({ api, place, identity, file, patience, onProgress, signal });
  const onVerify = (): void => progress.note('exported; the replication server computes the SHA-256 of the disk');
  const expected = await findDigest({ api, place, identity, operationId, patience, onVerify, signal });
  const written = file.sha256();
  for (const sha256 of [expected, identity.sha256 ?? expected]) {
    if (written === sha256) continue;
    throw new SpoiltImage('DATA_LOSS', `SHA-256 of what was exported is ${written}, and of the disk ${sha256}`, {
      action:
        'Export it again, from its beginning: nothing is left of it. If it differs again, see `lms point verify`.',
    });
  }
  return written;
}

function createPatience(session: ManagerSession, file: ImageFile, limitMilliseconds: number): Patience {
  return new Patience({
    limitMilliseconds,
    signal: session.signal,
    onPause: ({ message }, milliseconds) => {
      const at = formatBytes(file.lengthBytes);
      session.progress.note(`at ${at}, again in ${formatDurationSeconds(milliseconds / 1_000)}: ${message}`);
    },
    onOutage: ({ message }) => {
      const limit = formatDurationSeconds(limitMilliseconds / 1_000);
      return session.tell(`the export waits, for ${limit} at most: ${message}`);
    },
  });
}

async function findPoint(api: OperatorApi, signal: AbortSignal, idOrName: string, sequence: number): Promise<Point> {
  for await (const page of eachPage((query) => api.listPoints(idOrName, query, signal))) {
    const point = page.points.find((candidate) => candidate.sequence === sequence);
    if (point !== undefined) return point;
  }
  throw new LmsError('NOT_FOUND', `${idOrName} has no point ${sequence}`, {
    action: `See \`lms point list ${idOrName}\`.`,
  });
}

function findDisk(point: Point, wanted: string | undefined): Point['disks'][number] {
  const names = point.disks.map((disk) => `${disk.id} (${disk.device})`).join(', ');
  const [only] = point.disks;
  if (wanted === undefined) {
    if (only !== undefined && point.disks.length === 1) return only;
    throw new CommandError('usage', 'INVALID_ARGUMENT', `point ${point.sequence} has several disks: ${names}`, {
      action: 'Say which one with --disk.',
    });
  }
  const disk = point.disks.find(({ id }) => id === wanted) ?? point.disks.find(({ device }) => device === wanted);
  if (disk === undefined)
    throw new LmsError('NOT_FOUND', `point ${point.sequence} has no disk ${wanted}, but ${names}`);
  return disk;
}
