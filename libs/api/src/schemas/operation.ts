import { z } from 'zod';
import { MAXIMUM_OPERATION_TIMEOUT_SECONDS } from './limits.ts';
import { CheckReport } from './network-check.ts';
import { Point } from './point.ts';
import {
  Count,
  DiskId,
  Instant,
  MachineId,
  OperationId,
  ReplicationServerName,
  Sentence,
  Sequence,
  Sha256Hex,
} from './values.ts';
import { Consistency, OperationKind, OperationState } from './words.ts';

export const VerifyMismatch = z.object({ diskId: DiskId, offsetBytes: Count, lengthBytes: Count });

/** What reading a whole point back found; with no mismatch it is what its digests say. */
export const VerifyReport = z.object({
  blocksChecked: Count,
  mismatchedBlocks: Count,
  /** The first 1,000. */
  mismatches: z.array(VerifyMismatch).max(1_000),
  /** Hex, of each whole raw disk, by disk id. */
  sha256: z.record(DiskId, Sha256Hex),
});
export type VerifyReport = z.infer<typeof VerifyReport>;

export const Operation = z.object({
  operationId: OperationId,
  /** null: `checkFromReplicationServer`, which is of no machine. */
  machineId: MachineId.nullable(),
  /** `checkFromReplicationServer`. */
  replicationServer: ReplicationServerName.nullable().default(null),
  kind: OperationKind,
  state: OperationState,
  createdAt: Instant,
  deadline: Instant,
  completedAt: Instant.nullable(),
  /** `failed`: a code of @lms/errors and one sentence. */
  code: z.string().nullable(),
  message: Sentence.nullable(),
  sequence: Sequence.nullable(),
  diskId: DiskId.nullable(),
  /** `createPoint` that succeeded. */
  point: Point.nullable(),
  verifyReport: VerifyReport.nullable(),
  /** `exportDisk` that succeeded: hex, of the whole raw disk; null where the replication server did not come to know it. */
  sha256: Sha256Hex.nullable(),
  /** `checkFrom…` that was carried out, whatever it found. */
  checkReport: CheckReport.nullable().default(null),
});
export type Operation = z.infer<typeof Operation>;

export const CreatePointRequest = z.strictObject({
  consistency: Consistency.default('crash'),
  timeoutSeconds: z.int().min(1).max(MAXIMUM_OPERATION_TIMEOUT_SECONDS).default(300),
});
export type CreatePointRequest = z.input<typeof CreatePointRequest>;

/** 202: it has been asked for; `GET /v1/operations/{id}` says what became of it. */
export const OperationAccepted = z.object({ operationId: OperationId });
export type OperationAccepted = z.infer<typeof OperationAccepted>;
