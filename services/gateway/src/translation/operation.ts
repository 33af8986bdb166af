import type { Operation, TaskResult, VerifyReport } from '@lms/api';
import type { Operation as ProtoOperation, Point as ProtoPoint, VerifyReport as ProtoVerifyReport } from '@lms/proto';
import { checkReportAnswer } from './network-check.ts';
import { pointAnswer } from './point.ts';
import { count, instant, optionalInstant, optionalText } from './values.ts';
import { operationKindWords, operationStateWords } from './words.ts';

export function operationAnswer(operation: ProtoOperation, point: ProtoPoint | undefined): Operation {
  return {
    operationId: operation.operationId,
    machineId: optionalText(operation.machineId),
    replicationServer: optionalText(operation.replicationServer),
    kind: operationKindWords.requireRest(operation.kind),
    state: operationStateWords.requireRest(operation.state),
    createdAt: instant(operation.createdAt),
    deadline: instant(operation.deadline),
    completedAt: optionalInstant(operation.completedAt),
    code: optionalText(operation.errorCode),
    message: optionalText(operation.errorMessage),
    sequence: operation.sequence === 0n ? null : count(operation.sequence),
    diskId: optionalText(operation.diskId),
    point: point === undefined ? null : pointAnswer(point),
    verifyReport: operation.verifyReport === undefined ? null : verifyAnswer(operation.verifyReport),
    sha256: optionalText(operation.sha256),
    checkReport: checkReportAnswer(operation.checkReportJson),
  };
}

function verifyAnswer(report: ProtoVerifyReport): VerifyReport {
  return {
    blocksChecked: count(report.blocksChecked),
    mismatchedBlocks: count(report.mismatchedBlocks),
    mismatches: report.mismatches.map((mismatch) => ({
      diskId: mismatch.diskId,
      offsetBytes: count(mismatch.offsetBytes),
      lengthBytes: count(mismatch.lengthBytes),
    })),
    sha256: Object.fromEntries(report.sha256.map((digest) => [digest.diskId, digest.sha256])),
  };
}

export function reportedVerification(result: TaskResult): ProtoVerifyReport | undefined {
  const { report } = result;
  if (report === undefined) return undefined;
  return {
    blocksChecked: BigInt(report.blocksChecked),
    mismatchedBlocks: BigInt(report.mismatchedBlocks),
    mismatches: report.mismatches.map((mismatch) => ({
      diskId: mismatch.diskId,
      offsetBytes: BigInt(mismatch.offsetBytes),
      lengthBytes: BigInt(mismatch.lengthBytes),
    })),
    sha256: Object.entries(report.sha256).map(([diskId, sha256]) => ({ diskId, sha256 })),
  };
}
