import { resolve } from 'node:path';
import type { DiskImage, OperatorApi, Point } from '@lms/api';
import { CommandError } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import { Option } from 'commander';
import type { Command } from 'commander';
import { ImageFile } from '../image/image-file.ts';
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
    .action(async (idOrName: string, sequence: number, options: ExportOptions) => {
      const exported = await session.use((api) => exportDisk(api, session, idOrName, sequence, options));
      await session.print(exportResult(exported));
    });
}

async function exportDisk(
  api: OperatorApi,
  session: ManagerSession,
  idOrName: string,
  sequence: number,
  options: ExportOptions,
): Promise<ExportedImage> {
  const path = resolve(options.output);
  // First, since nobody should wait for a download that cannot be kept.
  const file = await ImageFile.create(path, { replace: options.force === true });
  try {
    const disk = findDisk(await findPoint(api, session.signal, idOrName, sequence), options.disk);
    const image = await api.diskImage(idOrName, sequence, disk.id, session.signal);
    if (image.sizeBytes !== disk.sizeBytes) throw cutShort(`${image.sizeBytes} bytes were announced`, disk.sizeBytes);
    await file.begin(disk.sizeBytes);
    await download(image, file, session, disk.sizeBytes);
    const sha256 = checkDigest(file.sha256(), image.sha256(), disk.sha256);
    await file.publish();
    return { file: path, sequence, diskId: disk.id, format: options.format, sizeBytes: disk.sizeBytes, sha256 };
  } finally {
    await file.discard();
  }
}

async function download(image: DiskImage, file: ImageFile, session: ManagerSession, sizeBytes: number): Promise<void> {
  for await (const part of image.body) {
    session.signal.throwIfAborted();
    await file.append(part);
    session.progress.show('exporting', file.lengthBytes, sizeBytes);
  }
  await file.end();
  if (file.lengthBytes !== sizeBytes) throw cutShort(`${file.lengthBytes} bytes came`, sizeBytes);
}

function cutShort(what: string, sizeBytes: number): LmsError {
  return new LmsError('DATA_LOSS', `the export is not whole: ${what}, and the disk has ${sizeBytes}`, {
    action: 'Export it again; nothing was written to the file.',
  });
}

function checkDigest(written: string, announced: string | null, known: string | null): string {
  if (announced !== written || (known !== null && known !== written)) {
    const expected = announced !== written ? (announced ?? 'none was sent') : known;
    throw new LmsError('DATA_LOSS', `SHA-256 of what was exported is ${written}, and of the disk ${expected}`, {
      action: 'Verify the point with `lms point verify`, and export it again; nothing was written to the file.',
    });
  }
  return written;
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
