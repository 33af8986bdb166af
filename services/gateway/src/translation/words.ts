/** Words of REST ↔ words of the services' contracts. Only where they differ there is a table. */
import { LmsError } from '@lms/errors';
import type { BlockStreamUse, Compression, Consistency, OperationKind, OperationState, Tracker } from '@lms/api';
import type { AddressKind } from '@lms/network';
import {
  AddressKind as ProtoAddressKind,
  BlockStreamUse as ProtoBlockStreamUse,
  Compression as ProtoCompression,
  Consistency as ProtoConsistency,
  OperationKind as ProtoOperationKind,
  OperationState as ProtoOperationState,
  Tracker as ProtoTracker,
} from '@lms/proto';

interface Words<Rest extends string, Proto extends number> {
  toProto(word: Rest): Proto;
  /** null: unspecified, or a word of a newer version. */
  toRest(value: number): Rest | null;
  /** Where there is always one: a service that sends another is newer than this gateway. */
  requireRest(value: number): Rest;
}

function words<Rest extends string, Proto extends number>(table: Readonly<Record<Rest, Proto>>): Words<Rest, Proto> {
  const back = new Map(Object.entries(table).map(([word, value]) => [value as number, word as Rest]));
  const toRest = (value: number): Rest | null => back.get(value) ?? null;
  return {
    toProto: (word) => table[word],
    toRest,
    requireRest: (value) => {
      const word = toRest(value);
      if (word === null) throw new LmsError('INTERNAL', `a service sent the word ${value}, which is not known here`);
      return word;
    },
  };
}

export const consistencyWords = words<Consistency, ProtoConsistency>({
  crash: ProtoConsistency.CRASH,
  filesystem: ProtoConsistency.FILESYSTEM,
});

export const trackerWords = words<Tracker, ProtoTracker>({ trace: ProtoTracker.TRACE, scan: ProtoTracker.SCAN });

export const compressionWords = words<Compression, ProtoCompression>({
  adaptive: ProtoCompression.ADAPTIVE,
  on: ProtoCompression.ON,
  off: ProtoCompression.OFF,
});

export const blockStreamUseWords = words<BlockStreamUse, ProtoBlockStreamUse>({
  any: ProtoBlockStreamUse.ANY,
  public: ProtoBlockStreamUse.PUBLIC,
  private: ProtoBlockStreamUse.PRIVATE,
});

export const addressKindWords = words<AddressKind, ProtoAddressKind>({
  public: ProtoAddressKind.PUBLIC,
  private: ProtoAddressKind.PRIVATE,
});

export const operationStateWords = words<OperationState, ProtoOperationState>({
  pending: ProtoOperationState.PENDING,
  succeeded: ProtoOperationState.SUCCEEDED,
  failed: ProtoOperationState.FAILED,
});

export const operationKindWords = words<OperationKind, ProtoOperationKind>({
  createPoint: ProtoOperationKind.CREATE_POINT,
  rescan: ProtoOperationKind.RESCAN,
  pause: ProtoOperationKind.PAUSE,
  resume: ProtoOperationKind.RESUME,
  verifyPoint: ProtoOperationKind.VERIFY_POINT,
  exportDisk: ProtoOperationKind.EXPORT_DISK,
  deletePoint: ProtoOperationKind.DELETE_POINT,
  pinPoint: ProtoOperationKind.PIN_POINT,
  unpinPoint: ProtoOperationKind.UNPIN_POINT,
  checkFromAgent: ProtoOperationKind.CHECK_FROM_AGENT,
  checkFromReplicationServer: ProtoOperationKind.CHECK_FROM_REPLICATION_SERVER,
});
