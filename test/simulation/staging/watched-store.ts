/** A staging store whose calls that serve a session's hello and its frames are told of before they are made. */
import type { StagingStore } from '../../../services/replication-server/src/index.ts';

export type FrameCall = 'ensureDisks' | 'write' | 'zero' | 'digests' | 'mark' | 'checkpoint';

export function watchStore(store: StagingStore, called: (call: FrameCall) => void): StagingStore {
  return {
    form: store.form,
    digestKey: store.digestKey,
    disks: () => store.disks(),
    ensureDisks: (disks) => {
      called('ensureDisks');
      return store.ensureDisks(disks);
    },
    write: (diskIndex, firstBlock, blockCount, data, digests) => {
      called('write');
      return store.write(diskIndex, firstBlock, blockCount, data, digests);
    },
    zero: (diskIndex, firstBlock, blockCount) => {
      called('zero');
      return store.zero(diskIndex, firstBlock, blockCount);
    },
    digests: (diskIndex, firstBlock, blockCount) => {
      called('digests');
      return store.digests(diskIndex, firstBlock, blockCount);
    },
    mark: (mapEpoch, markId) => {
      called('mark');
      return store.mark(mapEpoch, markId);
    },
    lastMark: () => store.lastMark(),
    checkpoint: (request) => {
      called('checkpoint');
      return store.checkpoint(request);
    },
    lastCheckpoint: () => store.lastCheckpoint(),
    points: () => store.points(),
    openPoint: (sequence) => store.openPoint(sequence),
    keepPoint: (sequence) => store.keepPoint(sequence),
    isRead: () => store.isRead(),
    pinPoint: (sequence, pinned) => store.pinPoint(sequence, pinned),
    deletePoint: (sequence) => store.deletePoint(sequence),
    verifyPoint: (sequence, signal) => store.verifyPoint(sequence, signal),
    applyRetention: (rows, nowMicroseconds) => store.applyRetention(rows, nowMicroseconds),
    usedBytes: () => store.usedBytes(),
    close: () => store.close(),
  };
}
