/**
 * What the store has promised, and whether it kept it (R12 to R15, R18). Knows the source's content as one version number per
 * block; everything that it demands was acknowledged, or was under way when the process ended.
 */
import { createDigester } from '@lms/block-stream';
import type { StagedPoint, StagingStore } from '../staging-store.ts';
import type { SourceDisk } from './source-disks.ts';
import { blocksOf, diskContent, readPoint } from './source-disks.ts';

export type Versions = readonly (readonly number[])[];

/** Broken promise: what a crash history is there to find. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export interface PointContent {
  readonly checkpointId: string;
  readonly versions: Versions;
}

export interface OracleState {
  readonly versions: Versions;
  readonly sentAfter: Versions;
  readonly marks: readonly Mark[];
  readonly acknowledgedMarks: number;
  readonly points: readonly (readonly [number, PointContent])[];
  readonly underway: readonly PointContent[];
  readonly deleting: readonly number[];
  readonly pins: readonly number[];
  readonly changingPins: readonly ChangingPin[];
  readonly digestKey: string | null;
}

interface ChangingPin {
  readonly sequence: number;
  readonly pinned: boolean;
}

interface Mark {
  readonly mapEpoch: string;
  readonly markId: number;
}

export class CrashOracle {
  readonly disks: readonly SourceDisk[];
  /** The source as it is now. */
  readonly versions: number[][];
  /** Marks asked for, oldest first, and how many blocks were sent before each. */
  #marks: Mark[] = [];
  #acknowledgedMarks = 0;
  /** Blocks by the number of marks asked for when they were last sent: those at or above a mark must be sent again. */
  readonly #sentAfter: number[][];
  #points = new Map<number, PointContent>();
  /** Checkpoints asked for and not acknowledged: several where acknowledgements were lost. */
  #underway: PointContent[] = [];
  #deleting = new Set<number>();
  #pins = new Set<number>();
  /** Asked for and not acknowledged: several where acknowledgements were lost. */
  #changingPins: ChangingPin[] = [];
  #digestKey: Buffer | null = null;

  constructor(disks: readonly SourceDisk[]) {
    this.disks = disks;
    this.versions = disks.map((disk) => Array.from({ length: blocksOf(disk) }, (_, block) => block % 4));
    this.#sentAfter = disks.map((disk) => Array.from({ length: blocksOf(disk) }, () => 0));
  }

  /** For another process, after this one's end. */
  toState(): OracleState {
    return {
      versions: this.versions,
      sentAfter: this.#sentAfter,
      marks: this.#marks,
      acknowledgedMarks: this.#acknowledgedMarks,
      points: [...this.#points],
      underway: this.#underway,
      deleting: [...this.#deleting],
      pins: [...this.#pins],
      changingPins: this.#changingPins,
      digestKey: this.#digestKey?.toString('hex') ?? null,
    };
  }

  restore(state: OracleState): void {
    for (const [index, versions] of state.versions.entries()) this.versions[index] = [...versions];
    for (const [index, sentAfter] of state.sentAfter.entries()) this.#sentAfter[index] = [...sentAfter];
    this.#marks = [...state.marks];
    this.#acknowledgedMarks = state.acknowledgedMarks;
    this.#points = new Map(state.points);
    this.#underway = [...state.underway];
    this.#deleting = new Set(state.deleting);
    this.#pins = new Set(state.pins);
    this.#changingPins = [...state.changingPins];
    this.#digestKey = state.digestKey === null ? null : Buffer.from(state.digestKey, 'hex');
  }

  disksAcknowledged({ digestKey }: { readonly digestKey: Uint8Array }): void {
    this.#digestKey ??= Buffer.from(digestKey);
  }

  /** Before a write or zero is sent. */
  sending(diskIndex: number, block: number, version: number): void {
    const versions = this.versions[diskIndex];
    const sentAfter = this.#sentAfter[diskIndex];
    if (versions === undefined || sentAfter === undefined) throw new RangeError('no such disk');
    versions[block] = version;
    sentAfter[block] = this.#marks.length;
  }

  asking(mark: Mark): void {
    this.#marks.push(mark);
  }

  markAcknowledged(): void {
    this.#acknowledgedMarks = this.#marks.length;
  }

  committing(checkpointId: string): void {
    this.#underway.push({ checkpointId, versions: this.versions.map((versions) => [...versions]) });
  }

  committed(point: Pick<StagedPoint, 'sequence' | 'checkpointId'>): void {
    this.markAcknowledged();
    const content = this.#underway.find(({ checkpointId }) => checkpointId === point.checkpointId);
    if (content === undefined) throw new Violation('another point was returned');
    this.#points.set(point.sequence, content);
    this.#underway = [];
  }

  get sequences(): readonly number[] {
    return [...this.#points.keys()].sort((first, second) => first - second);
  }

  deleting(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#deleting.add(sequence);
  }

  deleted(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#points.delete(sequence);
    this.#deleting.clear();
  }

  isPinned(sequence: number): boolean {
    return this.#pins.has(sequence);
  }

  pinning(sequence: number, pinned: boolean): void {
    this.#changingPins.push({ sequence, pinned });
  }

  pinChanged(sequence: number, pinned: boolean): void {
    if (pinned) this.#pins.add(sequence);
    else this.#pins.delete(sequence);
    this.#changingPins = [];
  }

  /** After any ending: what is listed, whether it is what was promised, and where to go on from (blocks to send again). */
  async checkOpened(store: StagingStore): Promise<{ readonly mark: Mark | null }> {
    this.#checkPoints(store);
    this.#checkPins(store);
    await this.checkContent(store);
    if (this.#digestKey !== null && !this.#digestKey.equals(store.digestKey)) {
      throw new Violation('the digest key changed');
    }
    if (this.#digestKey !== null && store.disks().length !== this.disks.length)
      throw new Violation('the disks are forgotten');
    return { mark: this.#checkMark(store) };
  }

  /** Blocks that an agent sends again after a reconnect with the same map (R18). */
  unacknowledged(mark: Mark | null): { readonly diskIndex: number; readonly block: number }[] {
    const position = mark === null ? 0 : this.#positionOf(mark);
    return this.#sentAfter.flatMap((sentAfter, diskIndex) =>
      sentAfter.flatMap((sent, block) => (sent >= position ? [{ diskIndex, block }] : [])),
    );
  }

  async checkContent(store: StagingStore): Promise<void> {
    for (const { sequence } of store.points()) {
      const expected = this.#points.get(sequence);
      if (expected === undefined) throw new Violation(`point ${sequence} was never made, or was deleted`);
      for (const [diskIndex, versions] of expected.versions.entries()) {
        const disk = this.disks[diskIndex];
        if (disk === undefined) continue;
        const content = diskContent(disk, versions);
        if (!(await readPoint(store, sequence, diskIndex)).equals(content)) {
          throw new Violation(`point ${sequence} differs on disk ${diskIndex} (R12)`);
        }
        const reader = await store.openPoint(sequence);
        const digests = Buffer.from(await reader.digests(diskIndex, 0, blocksOf(disk)));
        await reader.close();
        if (!digests.equals(createDigester(store.digestKey).digestBlocks(content))) {
          throw new Violation(`point ${sequence} has other digests on disk ${diskIndex} (R15)`);
        }
      }
    }
  }

  #checkPoints(store: StagingStore): void {
    const listed = store.points();
    for (const point of listed) {
      const content = this.#underway.find(({ checkpointId }) => checkpointId === point.checkpointId);
      if (content !== undefined) this.#points.set(point.sequence, content);
    }
    this.#underway = [];
    const isListed = (sequence: number): boolean => listed.some((point) => point.sequence === sequence);
    for (const sequence of this.sequences) {
      if (isListed(sequence)) continue;
      if (!this.#deleting.has(sequence)) throw new Violation(`point ${sequence} is gone (R12)`);
      this.#points.delete(sequence);
    }
    this.#deleting.clear();
    for (const point of listed) {
      if (this.#points.get(point.sequence)?.checkpointId !== point.checkpointId) {
        throw new Violation(`point ${point.sequence} should not be there (R13)`);
      }
      if (point.disks.length !== this.disks.length) throw new Violation(`point ${point.sequence} lacks disks (R13)`);
    }
    const newest = listed.at(-1);
    if (store.lastCheckpoint()?.checkpointId !== newest?.checkpointId)
      throw new Violation('the last checkpoint is another (R18)');
  }

  /** Told once, it is promised, also if its acknowledgement never went out. */
  #checkPins(store: StagingStore): void {
    for (const { sequence, pinned } of store.points()) {
      if (pinned === this.#pins.has(sequence)) continue;
      const isUnderway = this.#changingPins.some(
        (changing) => changing.sequence === sequence && changing.pinned === pinned,
      );
      if (!isUnderway) {
        throw new Violation(`point ${sequence} is ${pinned ? '' : 'not '}pinned (R12)`);
      }
      if (pinned) this.#pins.add(sequence);
      else this.#pins.delete(sequence);
    }
    this.#changingPins = [];
  }

  #checkMark(store: StagingStore): Mark | null {
    const mark = store.lastMark();
    const position = mark === null ? 0 : this.#positionOf(mark);
    if (position < this.#acknowledgedMarks) throw new Violation('an acknowledged mark is gone (R18)');
    // Told once, it is promised, also if its acknowledgement never went out.
    this.#acknowledgedMarks = position;
    this.#marks.length = position;
    for (const sentAfter of this.#sentAfter) {
      for (const [block, sent] of sentAfter.entries()) sentAfter[block] = Math.min(sent, position);
    }
    return mark;
  }

  #positionOf(mark: Mark): number {
    const index = this.#marks.findLastIndex(
      ({ mapEpoch, markId }) => mapEpoch === mark.mapEpoch && markId === mark.markId,
    );
    if (index < 0) throw new Violation(`mark ${mark.mapEpoch}/${mark.markId} was never asked for (R18)`);
    return index + 1;
  }
}
