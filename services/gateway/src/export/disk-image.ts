/** The raw disk of a point as something that HTTP speaks of: its size, its name, and the headers that say so. */
import { createHash } from 'node:crypto';
import { EXPORT_OPERATION_HEADER, EXPORT_SHA256_HEADER, EXPORT_SIZE_HEADER } from '@lms/api';
import { LmsError } from '@lms/errors';
import type { ServiceClients } from '../manager-services.ts';
import { count } from '../translation/values.ts';
import type { ByteRange } from '../http/byte-range.ts';
import { lengthHeaders, reprDigest } from '../http/ranges.ts';

export interface DiskImagePlace {
  readonly idOrName: string;
  readonly sequence: number;
  readonly diskId: string;
}

export interface DiskImage extends DiskImagePlace {
  readonly machineId: string;
  readonly checkpointId: string;
  readonly sizeBytes: number;
  /**
   * Strong: a point never changes, and under its sequence there is another one only where the replica was made anew, which
   * has another checkpoint.
   */
  readonly etag: string;
  /** Hex; empty while it is not computed. */
  readonly sha256: string;
}

export async function findDiskImage(
  { registry }: Pick<ServiceClients, 'registry'>,
  { idOrName, sequence, diskId }: DiskImagePlace,
): Promise<DiskImage> {
  const { machineId, point } = await registry.getPoint({ idOrName, sequence: BigInt(sequence) });
  if (point === undefined) throw new LmsError('INTERNAL', 'the registry sent no point');
  const disk = point.disks.find((candidate) => candidate.diskId === diskId);
  if (disk === undefined) {
    throw new LmsError('NOT_FOUND', `point ${sequence} of ${idOrName} has no disk ${diskId}`, {
      field: 'diskId',
      action: `its disks are: ${point.disks.map((candidate) => candidate.diskId).join(', ')}`,
    });
  }
  const { checkpointId } = point;
  const name = [machineId, sequence, checkpointId, diskId, disk.sizeBytes].join('\n');
  const etag = `"${createHash('sha256').update(name).digest('hex').slice(0, 32)}"`;
  const sizeBytes = count(disk.sizeBytes);
  return { idOrName, machineId, sequence, diskId, checkpointId, sizeBytes, etag, sha256: disk.sha256 };
}

/** `operationId`: null where nothing is sent (HEAD). */
export function imageHeaders(image: DiskImage, range: ByteRange | null, operationId: string | null) {
  const { sizeBytes, etag, sha256 } = image;
  return {
    'content-type': 'application/octet-stream',
    ...lengthHeaders(range, sizeBytes),
    etag,
    // What is compressed on the way would have other places and another length.
    'cache-control': 'no-store, no-transform',
    [EXPORT_SIZE_HEADER]: String(sizeBytes),
    ...(sha256 === '' ? {} : { [EXPORT_SHA256_HEADER]: sha256, 'repr-digest': reprDigest(sha256) }),
    ...(operationId === null ? {} : { [EXPORT_OPERATION_HEADER]: operationId }),
  };
}
