/**
 * The agent of a crash history: what it sends, in which order, and how it goes on after an ending: by sending again what is
 * above the mark (R18), or by comparing digests (R15).
 */
import { createDigester } from '@lms/block-stream';
import type { StagingDisk, StagingStore } from '../staging-store.ts';
import type { CrashOracle } from './crash-oracle.ts';
import { Violation } from './crash-oracle.ts';
import { blocksOf, diskContent, writeBlocks } from './source-disks.ts';

export class CrashAgent {
  #oracle: CrashOracle;
  #random: () => number;
  #disks: readonly StagingDisk[] = [];
  #epoch: string;
  #markId = 0;
  #life: number;
  #epochs = 0;
  #counter: number;
  pointsCommitted = 0;

  /** `life`: makes versions, epochs and checkpoints of this agent differ from those of any before. */
  constructor(oracle: CrashOracle, random: () => number, life: number) {
    this.#oracle = oracle;
    this.#random = random;
    this.#life = life;
    this.#epoch = `epoch-${life}`;
    this.#counter = 100 + life * 100_000;
  }

  /** After each opening: what is there is checked, and the disks are announced. */
  async connect(store: StagingStore): Promise<void> {
    const { mark } = await this.#oracle.checkOpened(store);
    const found = await store.ensureDisks(this.#oracle.disks);
    this.#disks = found.map(({ disk }) => disk);
    this.#oracle.disksAcknowledged(store);
    const unacknowledged = this.#oracle.unacknowledged(mark);
    for (const { disk, empty } of found) {
      // Nothing known of it is right only when every block of it was sent again after the mark, and may be torn.
      const sentAgain = unacknowledged.filter(({ diskIndex }) => diskIndex === disk.diskIndex).length;
      if (empty && sentAgain < blocksOf(disk)) throw new Violation(`disk ${disk.diskId} lost its content (R18)`);
    }
  }

  async act(store: StagingStore): Promise<void> {
    const chance = this.#random();
    if (chance < 0.5) await this.#change(store);
    else if (chance < 0.65) await this.mark(store);
    else if (chance < 0.85) await this.#checkpoint(store);
    else if (chance < 0.94) await this.#delete(store);
    else if (chance < 0.98) await this.#pin(store);
    else await this.#oracle.checkContent(store);
  }

  /** An agent sends again, or compares, before it does anything else. */
  async resume(store: StagingStore): Promise<void> {
    const mark = store.lastMark();
    if (mark !== null && this.#random() < 0.5) {
      await this.#sendAll(store, this.#oracle.unacknowledged(mark));
    } else {
      this.#epochs += 1;
      this.#epoch = `epoch-${this.#life}-${this.#epochs}`;
      this.#markId = 0;
      await this.#rescan(store);
    }
    if (this.#random() < 0.4) await this.mark(store);
    else await this.#checkpoint(store);
    await this.#oracle.checkContent(store);
  }

  async #rescan(store: StagingStore): Promise<void> {
    const digester = createDigester(store.digestKey);
    for (const [diskIndex, disk] of this.#disks.entries()) {
      const stored = Buffer.from(await store.digests(diskIndex, 0, blocksOf(disk)));
      const actual = Buffer.from(digester.digestBlocks(diskContent(disk, this.#oracle.versions[diskIndex] ?? [])));
      const different = Array.from({ length: blocksOf(disk) }, (_, block) => block).filter(
        (block) => !stored.subarray(block * 16, block * 16 + 16).equals(actual.subarray(block * 16, block * 16 + 16)),
      );
      await this.#sendAll(
        store,
        different.map((block) => ({ diskIndex, block })),
      );
    }
  }

  async #sendAll(store: StagingStore, blocks: readonly { diskIndex: number; block: number }[]): Promise<void> {
    for (const { diskIndex, block } of blocks) {
      await this.#send(store, diskIndex, block, [this.#oracle.versions[diskIndex]?.[block] ?? 0]);
    }
  }

  async #change(store: StagingStore): Promise<void> {
    const diskIndex = this.#below(this.#disks.length);
    const blocks = this.#oracle.versions[diskIndex]?.length ?? 0;
    const block = this.#below(blocks);
    const count = 1 + this.#below(Math.min(3, blocks - block));
    const isZero = this.#random() < 0.25;
    const versions = Array.from({ length: count }, () => (isZero ? 0 : this.#count()));
    await this.#send(store, diskIndex, block, versions);
  }

  async #send(store: StagingStore, diskIndex: number, block: number, versions: readonly number[]): Promise<void> {
    const disk = this.#disks[diskIndex];
    if (disk === undefined) throw new RangeError('no such disk');
    for (const [index, version] of versions.entries()) this.#oracle.sending(diskIndex, block + index, version);
    if (versions.every((version) => version === 0)) await store.zero(diskIndex, block, versions.length);
    else await writeBlocks(store, disk, block, versions);
  }

  async mark(store: StagingStore): Promise<void> {
    this.#markId += 1;
    const mark = { mapEpoch: this.#epoch, markId: this.#markId };
    this.#oracle.asking(mark);
    await store.mark(mark.mapEpoch, mark.markId);
    this.#oracle.markAcknowledged();
  }

  async #checkpoint(store: StagingStore): Promise<void> {
    this.#markId += 1;
    const mark = { mapEpoch: this.#epoch, markId: this.#markId };
    const checkpointId = `checkpoint-${this.#life}-${this.#count()}`;
    this.#oracle.asking(mark);
    this.#oracle.committing(checkpointId);
    const point = await store.checkpoint({
      ...mark,
      checkpointId,
      consistency: 'crash',
      instantMicroseconds: this.#count(),
      pauseMicroseconds: 0,
      requestId: '',
    });
    this.#oracle.committed(point);
    this.pointsCommitted += 1;
  }

  async #pin(store: StagingStore): Promise<void> {
    const { sequences } = this.#oracle;
    const sequence = sequences[this.#below(sequences.length)];
    if (sequence === undefined) return;
    const pinned = !this.#oracle.isPinned(sequence);
    this.#oracle.pinning(sequence, pinned);
    await store.pinPoint(sequence, pinned);
    this.#oracle.pinChanged(sequence, pinned);
  }

  /** Pinned ones are left by retention; that a deletion of one is refused, the conformance suite shows. */
  async #delete(store: StagingStore): Promise<void> {
    const candidates = this.#oracle.sequences.slice(0, -1).filter((sequence) => !this.#oracle.isPinned(sequence));
    if (candidates.length === 0) return;
    if (this.#random() < 0.3) {
      this.#oracle.deleting(candidates);
      this.#oracle.deleted(await store.applyRetention([], this.#count()));
      return;
    }
    const sequence = candidates[this.#below(candidates.length)] ?? 0;
    this.#oracle.deleting([sequence]);
    await store.deletePoint(sequence);
    this.#oracle.deleted([sequence]);
  }

  #count(): number {
    this.#counter += 1;
    return this.#counter;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}
