/** When two reports are of the same point, what of them is kept, and where a point lies in the state. No I/O. */
import { Consistency, type Point } from '@lms/proto';

/** Enough for a point a second during 300 million years; keys are then in the order of sequences. */
const SEQUENCE_DIGITS = 16;

/** What was found out here (digests) stays; everything else is as reported. */
export function mergePoint(current: Point, reported: Point): Point {
  const digests = new Map(current.disks.map((disk) => [disk.diskId, disk.sha256]));
  return {
    ...reported,
    disks: reported.disks.map((disk) => ({ ...disk, sha256: disk.sha256 || (digests.get(disk.diskId) ?? '') })),
  };
}

export function samePoint(one: Point, other: Point): boolean {
  return (
    one.requestId === other.requestId &&
    one.createdAt === other.createdAt &&
    one.consistency === other.consistency &&
    one.pauseMicroseconds === other.pauseMicroseconds &&
    one.pinned === other.pinned &&
    one.disks.length === other.disks.length &&
    one.disks.every((disk, index) => {
      const twin = other.disks[index];
      return (
        disk.diskId === twin?.diskId &&
        disk.device === twin.device &&
        disk.sizeBytes === twin.sizeBytes &&
        disk.sha256 === twin.sha256
      );
    })
  );
}

/** Whether a point is at least as consistent as was asked. */
export function satisfies(point: Point, least: Consistency): boolean {
  return least !== Consistency.FILESYSTEM || point.consistency === Consistency.FILESYSTEM;
}

export function pointKey(machineId: string, sequence: bigint): string {
  return `${machineId}.${sequence.toString().padStart(SEQUENCE_DIGITS, '0')}`;
}

export function parsePointKey(key: string): { machineId: string; sequence: bigint } {
  const dot = key.lastIndexOf('.');
  return { machineId: key.slice(0, dot), sequence: BigInt(key.slice(dot + 1)) };
}
