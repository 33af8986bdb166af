import type { Point, PointReport } from '@lms/api';
import type { Point as ProtoPoint } from '@lms/proto';
import { count, optionalText } from './values.ts';
import { consistencyWords } from './words.ts';

export function pointAnswer(point: ProtoPoint): Point {
  return {
    sequence: count(point.sequence),
    consistency: consistencyWords.requireRest(point.consistency),
    createdAt: point.createdAt,
    pinned: point.pinned,
    disks: point.disks.map((disk) => ({
      id: disk.diskId,
      device: disk.device,
      sizeBytes: count(disk.sizeBytes),
      sha256: optionalText(disk.sha256),
    })),
  };
}

export function reportedPoint(report: PointReport): ProtoPoint {
  return {
    sequence: BigInt(report.sequence),
    checkpointId: report.checkpointId,
    requestId: report.requestId,
    consistency: consistencyWords.toProto(report.consistency),
    createdAt: report.createdAt,
    pauseMicroseconds: BigInt(report.pauseMicroseconds),
    pinned: report.pinned ?? false,
    disks: report.disks.map((disk) => ({
      diskId: disk.diskId,
      device: disk.device,
      sizeBytes: BigInt(disk.sizeBytes),
      sha256: disk.sha256 ?? '',
    })),
  };
}
