/**
 * A disk of a point in time, or a part of it, as a stream of raw bytes. Every block is compared with its stored digest before
 * it goes (R15), so rot never passes for data; blocks whose stored digest is that of zeros are not read: an image is mostly
 * holes. The SHA-256 of the whole disk comes with it where it can (see `digest-trails.ts`).
 */
import { createHash } from 'node:crypto';
import { LmsError } from '@lms/errors';
import type { PointReader, StagingDisk } from '../store/staging-store.ts';
import type { DigestState, DigestTrails } from './digest-trails.ts';
import { DiskChunks } from './disk-chunks.ts';

/** Gives the stream behind us a turn, and so the chance to be given up, while nothing is sent yet. */
const NOTHING = new Uint8Array(0);

export interface ExportRequest {
  readonly machineId: string;
  readonly diskId: string;
  /** What the point must be; undefined: whichever it is. */
  readonly checkpointId?: string | undefined;
  /** Default: 0. */
  readonly offsetBytes?: number | undefined;
  /** Default: up to the end. */
  readonly lengthBytes?: number | undefined;
}

export interface DiskExport {
  /** Of `body`. */
  readonly sizeBytes: number;
  readonly body: AsyncIterable<Uint8Array>;
  /** Hex, of `body`; once it has ended. */
  sha256(): string;
  /** Hex, of the whole disk; once `body` has ended. Null: not known here. */
  wholeSha256(): string | null;
}

export function exportDisk(
  reader: PointReader,
  request: ExportRequest,
  digestKey: Uint8Array,
  trails: DigestTrails,
): DiskExport {
  const disk = findDisk(reader, request);
  const { offsetBytes = 0, lengthBytes = disk.sizeBytes - offsetBytes } = request;
  const endBytes = offsetBytes + lengthBytes;
  if (lengthBytes < 0 || endBytes > disk.sizeBytes) {
    throw new LmsError('INVALID_ARGUMENT', `Bytes ${offsetBytes} to ${endBytes} do not lie within disk ${disk.diskId}`);
  }
  const key = [request.machineId, reader.point.checkpointId, disk.diskId].join('\n');
  const whole = endBytes === disk.sizeBytes ? trails.near(key, offsetBytes) : null;
  // SHA-256 is most of what an export costs: where the part is the whole it is computed once.
  const part = offsetBytes === 0 && whole !== null ? null : createHash('sha256');
  const chunks = new DiskChunks(reader, disk, digestKey);
  const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    if (whole !== null) yield* catchUp(chunks, whole, offsetBytes);
    for await (const chunk of chunks.read(offsetBytes, endBytes)) {
      part?.update(chunk);
      whole?.update(chunk);
      if (whole !== null) trails.keep(key, whole);
      yield chunk;
    }
  };
  return {
    sizeBytes: lengthBytes,
    body: body(),
    sha256: () => part?.digest('hex') ?? whole?.hex() ?? '',
    wholeSha256: () => (whole?.positionBytes === disk.sizeBytes ? whole.hex() : null),
  };
}

function findDisk({ point }: PointReader, { diskId, checkpointId }: ExportRequest): StagingDisk {
  if (checkpointId !== undefined && checkpointId !== point.checkpointId) {
    throw new LmsError('NOT_FOUND', `Point ${point.sequence} is another one than the one meant, which is gone`);
  }
  const disk = point.disks.find((candidate) => candidate.diskId === diskId);
  if (disk !== undefined) return disk;
  throw new LmsError('NOT_FOUND', `Point ${point.sequence} has no disk ${diskId}`, { field: 'diskId' });
}

async function* catchUp(chunks: DiskChunks, whole: DigestState, offsetBytes: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks.read(whole.positionBytes, offsetBytes)) {
    whole.update(chunk);
    yield NOTHING;
  }
}
