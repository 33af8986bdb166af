import type { Operation, Point, VerifyReport } from '@lms/api';
import { formatBytes, formatFields, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export function pointListResult(points: readonly Point[]): Result {
  return {
    value: { points, nextPageToken: null },
    names: () => points.map((point) => String(point.sequence)),
    table: () =>
      formatTable(
        ['SEQUENCE', 'CONSISTENCY', 'CREATED', 'PINNED', 'DISKS', 'SIZE'],
        points.map((point) => [
          String(point.sequence),
          point.consistency,
          point.createdAt,
          point.pinned ? 'yes' : 'no',
          String(point.disks.length),
          formatBytes(point.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0)),
        ]),
      ),
  };
}

export function pointResult(point: Point): Result {
  return {
    value: point,
    names: () => [String(point.sequence)],
    table: () =>
      [
        formatFields([
          ['sequence', String(point.sequence)],
          ['consistency', point.consistency],
          ['created', point.createdAt],
          ['pinned', point.pinned ? 'yes' : 'no'],
        ]),
        '',
        formatTable(
          ['DISK', 'DEVICE', 'SIZE', 'SHA-256'],
          point.disks.map(({ id, device, sizeBytes, sha256 }) => [
            id,
            device,
            formatBytes(sizeBytes),
            sha256 ?? 'not computed',
          ]),
        ),
      ].join('\n'),
  };
}

/** For what was asked for and is not waited for. */
export function acceptedResult(operationId: string, sentence: string): Result {
  return { value: { operationId }, names: () => [operationId], table: () => `${sentence} (operation ${operationId})` };
}

export function completedResult(operation: Operation, sentence: string): Result {
  return { value: operation, names: () => [operation.operationId], table: () => sentence };
}

export function verifyResult(sequence: number, report: VerifyReport): Result {
  const { blocksChecked, mismatchedBlocks, mismatches, sha256 } = report;
  return {
    value: { sequence, ...report },
    names: () => mismatches.map(({ diskId, offsetBytes }) => `${diskId}@${offsetBytes}`),
    table: () => {
      const summary = formatFields([
        ['point', String(sequence)],
        ['blocks checked', String(blocksChecked)],
        ['blocks that differ', String(mismatchedBlocks)],
      ]);
      const digests = formatTable(['DISK', 'SHA-256'], Object.entries(sha256));
      if (mismatches.length === 0) return `${summary}\n\n${digests}`;
      const ranges = formatTable(
        ['DISK', 'OFFSET', 'LENGTH'],
        mismatches.map(({ diskId, offsetBytes, lengthBytes }) => [diskId, `${offsetBytes}`, formatBytes(lengthBytes)]),
      );
      return `${summary}\n\n${digests}\n\n${ranges}`;
    },
  };
}

export interface ExportedImage {
  readonly file: string;
  readonly sequence: number;
  readonly diskId: string;
  readonly format: 'raw';
  readonly sizeBytes: number;
  readonly sha256: string;
}

export function exportResult(image: ExportedImage): Result {
  return {
    value: image,
    names: () => [image.file],
    table: () =>
      formatFields([
        ['file', image.file],
        ['point', String(image.sequence)],
        ['disk', image.diskId],
        ['size', formatBytes(image.sizeBytes)],
        ['SHA-256', image.sha256],
      ]),
  };
}
