/** Whether the state of machine and point allow what is asked; says what is possible otherwise. No I/O. */
import { LmsError } from '@lms/errors';
import {
  Consistency,
  OperationKind,
  type CreateOperationRequest,
  type Machine,
  type Point,
  type PointDisk,
} from '@lms/proto';

export interface Subject {
  readonly machine: Machine;
  /** null: the kind of operation means none. */
  readonly point: Point | null;
}

export function checkOperation(request: CreateOperationRequest, { machine, point }: Subject): void {
  const { name } = machine;
  switch (request.kind) {
    case OperationKind.CREATE_POINT:
      if (machine.paused) {
        throw refused(`replication of ${name} is paused`, `resume it first: \`lms machine resume ${name}\``);
      }
      if (request.consistency === Consistency.FILESYSTEM && machine.settings?.freezing === false) {
        throw refused(
          `freezing is switched off for ${name}, so no point of consistency filesystem can be made`,
          'ask for --consistency crash, or switch freezing on',
        );
      }
      return;
    case OperationKind.EXPORT_DISK:
      requireRange(request, requireDisk(name, point, request.diskId));
      if (request.checkpointId !== '' && request.checkpointId !== point?.checkpointId) {
        throw new LmsError('NOT_FOUND', `point ${request.sequence} of ${name} is another one now than the one meant`, {
          field: 'sequence',
          action: `see \`lms point list ${name}\``,
        });
      }
      return;
    case OperationKind.DELETE_POINT:
      if (point?.sequence === machine.lastPoint?.sequence) {
        throw refused(
          `point ${point?.sequence} is the newest of ${name}, which is always kept`,
          'make another one first',
        );
      }
      if (point?.pinned === true) throw refused(`point ${point.sequence} of ${name} is pinned`, 'unpin it first');
      return;
    case OperationKind.CHECK_FROM_AGENT:
      requireCheck(request);
      return;
    case OperationKind.VERIFY_POINT:
    case OperationKind.PIN_POINT:
    case OperationKind.UNPIN_POINT:
    case OperationKind.RESCAN:
    case OperationKind.PAUSE:
    case OperationKind.RESUME:
      return;
    default:
      throw new LmsError('INVALID_ARGUMENT', 'this kind of operation is not known', { field: 'kind' });
  }
}

/** Says at the door what nobody could carry out. */
export function requireCheck({ check }: CreateOperationRequest): void {
  if (check?.target === '443' || check?.target === '1500') return;
  throw new LmsError('INVALID_ARGUMENT', 'a check is of 443 or of 1500', { field: 'target' });
}

const MEAN_POINTS: ReadonlySet<OperationKind> = new Set([
  OperationKind.VERIFY_POINT,
  OperationKind.EXPORT_DISK,
  OperationKind.DELETE_POINT,
  OperationKind.PIN_POINT,
  OperationKind.UNPIN_POINT,
]);

export function meansPoint(kind: OperationKind): boolean {
  return MEAN_POINTS.has(kind);
}

function requireRange({ offsetBytes, lengthBytes }: CreateOperationRequest, { diskId, sizeBytes }: PointDisk): void {
  if (offsetBytes + lengthBytes <= sizeBytes) return;
  throw new LmsError('INVALID_ARGUMENT', `bytes ${offsetBytes} and on of disk ${diskId} lie behind its end`, {
    field: 'offsetBytes',
  });
}

function requireDisk(machineName: string, point: Point | null, diskId: string): PointDisk {
  const disks = point?.disks ?? [];
  const found = disks.find((disk) => disk.diskId === diskId);
  if (found !== undefined) return found;
  throw new LmsError('NOT_FOUND', `point ${point?.sequence} of ${machineName} has no disk ${diskId}`, {
    field: 'diskId',
    action: `its disks are: ${disks.map((disk) => disk.diskId).join(', ')}`,
  });
}

function refused(message: string, action: string): LmsError {
  return new LmsError('FAILED_PRECONDITION', message, { action });
}
