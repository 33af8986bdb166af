/** A staging store without files, whose calls can be watched, held up and made to fail. */
import type { CheckpointRequest, StagedPoint, StagingDisk, StagingStore } from '../src/store/staging-store.ts';

export interface MemoryStore extends StagingStore {
  /** One line per call that changes the store, in order: `write 0 3+2`, `mark 1`. */
  readonly calls: string[];
  /** Replaced by a test to hold a call up or let it fail. */
  before: (call: string) => Promise<void>;
  readonly data: Map<number, Map<number, Uint8Array>>;
  closed: boolean;
}

export function createMemoryStore(): MemoryStore {
  const disks: StagingDisk[] = [];
  const points: StagedPoint[] = [];
  let lastMark: { mapEpoch: string; markId: number } | null = null;
  const unused = (): never => {
    throw new Error('not part of these tests');
  };
  const store: MemoryStore = {
    form: 'journal',
    digestKey: new Uint8Array(32).fill(7),
    calls: [],
    data: new Map(),
    closed: false,
    before: () => Promise.resolve(),
    disks: () => disks,
    ensureDisks: async (wanted) => {
      await store.before('ensureDisks');
      return wanted.map((disk) => {
        const known = disks.find((candidate) => candidate.diskId === disk.diskId);
        const made = known ?? { ...disk, diskIndex: disks.length };
        if (known === undefined) disks.push(made);
        return { disk: made, empty: known === undefined };
      });
    },
    write: async (diskIndex, firstBlock, blockCount, data) => {
      const call = `write ${diskIndex} ${firstBlock}+${blockCount}`;
      await store.before(call);
      store.calls.push(call);
      const blocks = store.data.get(diskIndex) ?? new Map<number, Uint8Array>();
      blocks.set(firstBlock, Uint8Array.from(data));
      store.data.set(diskIndex, blocks);
    },
    zero: async (diskIndex, firstBlock, blockCount) => {
      const call = `zero ${diskIndex} ${firstBlock}+${blockCount}`;
      await store.before(call);
      store.calls.push(call);
    },
    digests: (_disk, _first, blockCount) => Promise.resolve(new Uint8Array(blockCount * 16)),
    mark: async (mapEpoch, markId) => {
      await store.before(`mark ${markId}`);
      store.calls.push(`mark ${markId}`);
      lastMark = { mapEpoch, markId };
    },
    lastMark: () => lastMark,
    checkpoint: async (request: CheckpointRequest) => {
      await store.before('checkpoint');
      const known = points.find((point) => point.checkpointId === request.checkpointId);
      if (known !== undefined) return known;
      store.calls.push(`checkpoint ${request.checkpointId}`);
      lastMark = { mapEpoch: request.mapEpoch, markId: request.markId };
      const point = { ...request, sequence: points.length + 1, pinned: false, disks };
      points.push(point);
      return point;
    },
    lastCheckpoint: () => points.at(-1) ?? null,
    points: () => points,
    openPoint: unused,
    keepPoint: unused,
    isRead: () => false,
    pinPoint: unused,
    deletePoint: unused,
    verifyPoint: unused,
    applyRetention: () => Promise.resolve([]),
    usedBytes: () => Promise.resolve(0),
    close: () => {
      store.closed = true;
      return Promise.resolve();
    },
  };
  return store;
}
