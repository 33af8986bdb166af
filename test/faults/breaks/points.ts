/** R16 and R18: when a set of blocks is a point in time, and what is forgotten when. */
import type { Break } from '../break.ts';

const AGENT = 'services/agent/src/core';
const SERVER = 'services/replication-server/src';

export const POINT_BREAKS: readonly Break[] = [
  {
    rule: 'R16',
    what: 'the window ends without a second drain',
    file: `${AGENT}/window.ts`,
    from: `await tracker.proveDrain(signal);
    writer = tracker.writerSince(opened) ?? mostDirty(parts.disks);`,
    to: 'writer = tracker.writerSince(opened) ?? mostDirty(parts.disks);',
    by: { seed: 120 },
  },
  {
    rule: 'R16',
    what: 'a write within the window does not void it',
    file: `${AGENT}/window.ts`,
    from: 'writer = tracker.writerSince(opened) ?? mostDirty(parts.disks);',
    to: 'writer = null;',
    by: { seed: 89 },
  },
  {
    rule: 'R16',
    what: 'a quiet machine with something mounted counts as frozen',
    file: `${AGENT}/window.ts`,
    from: "consistency: mounts === 0 ? 'filesystem' : 'crash'",
    to: "consistency: mounts >= 0 ? 'filesystem' : 'crash'",
    by: { seed: 2 },
  },
  {
    rule: 'R16',
    what: 'a file system that knows no freeze counts as frozen',
    file: `${AGENT}/window.ts`,
    from: "consistency: unfrozenMounts.length === 0 ? 'filesystem' : 'crash'",
    to: "consistency: unfrozenMounts.length >= 0 ? 'filesystem' : 'crash'",
    by: { seed: 57 },
  },
  {
    rule: 'R16',
    what: 'file systems that were thawed before the window closed count as frozen',
    file: `${AGENT}/window.ts`,
    from: 'if (!intact) {',
    to: 'if (pauseMicroseconds < 0) {',
    by: { seed: 56 },
  },
  {
    rule: 'R18',
    what: 'what was sent and not acknowledged is forgotten with the session',
    file: `${AGENT}/disk-map.ts`,
    from: 'this.dirty.addMap(blocks);',
    to: '',
    by: { seed: 4 },
  },
  {
    rule: 'R18',
    what: 'what was sent and not acknowledged is not saved',
    file: `${AGENT}/disk-map.ts`,
    from: 'union[index] = (union[index] as number) | (blocks.words[start + index] as number);',
    to: '',
    by: { seed: 46 },
  },
  {
    rule: 'R18',
    what: 'a server that forgot what it had acknowledged is believed',
    file: `${AGENT}/session.ts`,
    from: 'if (forgotten || foreign) tracking.distrustReplica();',
    to: '',
    by: { seed: 80 },
  },
  {
    rule: 'R18',
    what: 'a mark is acknowledged although nothing was made durable',
    file: `${SERVER}/store/replica/disk-replica.ts`,
    from: "await this.#image.sync('replica.image');",
    to: '',
    by: { seed: 4 },
  },
  {
    rule: 'R18',
    what: 'a checkpoint that is repeated makes a second point',
    file: `${SERVER}/store/machine-store.ts`,
    from: 'if (newest !== null && newest.checkpointId === request.checkpointId) return this.#staged(newest);',
    to: '',
    by: { test: `${SERVER}/store/conformance.test.ts` },
  },
  {
    rule: 'R16',
    what: 'a window opens although a write is in flight',
    file: `${AGENT}/change-tracker.ts`,
    from: 'openRanges.count > 0 || disk.writesInFlight() > 0 ||',
    to: 'openRanges.count > 0 ||',
    by: { test: `${AGENT}/change-tracker.test.ts` },
  },
  {
    rule: 'R16',
    what: 'requests that were issued do not count as writers',
    file: `${AGENT}/change-tracker.ts`,
    from: 'if (marker > activity.lastActiveMarker) activity.lastActiveMarker = marker;',
    to: "if (marker > activity.lastActiveMarker && kind !== 'issue') activity.lastActiveMarker = marker;",
    by: { test: `${AGENT}/change-tracker.test.ts` },
  },
  {
    rule: 'R18',
    what: 'a mark acknowledges what was taken after it',
    file: `${AGENT}/disk-map.ts`,
    from: 'this.#sealed = this.#sealed.filter((mark) => mark.markId > markId);',
    to: `this.#sealed = this.#sealed.filter((mark) => mark.markId > markId);
    this.#open = new BlockMap(this.blockCount);`,
    by: { test: `${AGENT}/disk-map.test.ts` },
  },
  {
    rule: 'R18',
    what: "another epoch's data is applied before the epoch is durable",
    file: `${SERVER}/core/machine-replica.ts`,
    from: 'if (lastMark?.mapEpoch !== hello.mapEpoch) await store.mark(hello.mapEpoch, 0);',
    to: '',
    by: { test: `${SERVER}/core/machine-replicas.test.ts` },
  },
  {
    rule: 'R18',
    what: 'a mark is acknowledged before it is durable',
    file: `${SERVER}/core/session.ts`,
    from: `await this.#onStore(() => store.mark(hello.mapEpoch, frame.markId));
    await connection.send({ type: 'markAck', markId: frame.markId });`,
    to: `await connection.send({ type: 'markAck', markId: frame.markId });
    await this.#onStore(() => store.mark(hello.mapEpoch, frame.markId));`,
    by: { test: `${SERVER}/core/machine-replicas.test.ts` },
  },
  {
    rule: 'R16',
    what: 'chunks that were taken earlier are still being read while the window is open',
    file: `${AGENT}/points.ts`,
    from: `await session.drain();
      const quiet`,
    to: 'const quiet',
    by: { test: `${AGENT}/points.test.ts` },
  },
  {
    rule: 'R18',
    what: 'a checkpoint is not saved before it is sent',
    file: `${AGENT}/session.ts`,
    from: 'tracking.state.checkpoint = { checkpointId, markId, requestId, sequence: null };',
    to: '',
    by: { test: `${AGENT}/points.test.ts` },
  },
];
