/**
 * Judges every point in time: its content must be that of all disks at one instant, the instant that it names.
 *
 * What it knows comes from the simulated hardware alone (the timeline, the freezes as the kernel saw them), never from
 * the cores. What it reads comes through the store's own `PointReader`, as a launch or an export would.
 */
import { createDigester, equalDigests, BLOCK_SIZE_BYTES, DIGEST_BYTES } from '@lms/block-stream';
import type {
  PointReader,
  RetentionRow,
  StagedPoint,
  StagingStore,
} from '../../../services/replication-server/src/index.ts';
import { RESERVED_SECTORS, type OrderedWrites } from '../source/ordered-writes.ts';
import type { WallClock } from '../time/simulated-clock.ts';
import type { FreezeLedger } from './freeze-ledger.ts';
import { mayBeDeleted } from './retention-judge.ts';
import { judgeRot } from './rot-judge.ts';
import { findDifference, SECTOR_BYTES, type Timeline } from './timeline.ts';

export class OracleViolation extends Error {
  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.name = 'OracleViolation';
  }
}

export interface OracleWorld {
  readonly timeline: Timeline;
  readonly orderedWrites: OrderedWrites;
  readonly freezes: FreezeLedger;
  readonly wallClock: WallClock;
  /** Disk ids in the order of the source's disks. */
  readonly diskIds: readonly string[];
}

export class Oracle {
  readonly #world: OracleWorld;
  /** Every point that was acknowledged, by sequence: the id it was acknowledged under. */
  readonly #acknowledged = new Map<number, string>();
  /** Instants (of the history) that were found to be right, by checkpoint id: later checks compare with the same. */
  readonly #positions = new Map<string, number>();
  /** Every point that the store ever listed. */
  readonly #known = new Map<number, StagedPoint>();
  #pointsChecked = 0;
  #blocksChecked = 0;

  constructor(world: OracleWorld) {
    this.#world = world;
  }

  get pointsChecked(): number {
    return this.#pointsChecked;
  }

  get blocksChecked(): number {
    return this.#blocksChecked;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** The agent was told that this point is durable. */
  acknowledged(checkpointId: string, sequence: number): void {
    const before = this.#acknowledged.get(sequence);
    if (before !== undefined && before !== checkpointId) {
      throw new OracleViolation('R18', `point ${sequence} was acknowledged for two checkpoints`);
    }
    this.#acknowledged.set(sequence, checkpointId);
  }

  /** An instant (of the history) at which all disks were as this acknowledged point: the last such. */
  instantOf(sequence: number): number | null {
    const checkpointId = this.#acknowledged.get(sequence);
    const position = checkpointId === undefined ? undefined : this.#positions.get(checkpointId);
    return position === undefined ? null : this.#world.timeline.timeOfChange(position);
  }

  /** R12: whatever was acknowledged is there, unless retention had the right to delete it. */
  checkSurvivors(
    points: readonly StagedPoint[],
    rows: readonly RetentionRow[],
    stagingNowsMicroseconds: readonly number[],
  ): void {
    for (const point of points) this.#known.set(point.sequence, point);
    const bySequence = new Map(points.map((point) => [point.sequence, point]));
    const all = [...this.#known.values()];
    for (const [sequence, checkpointId] of this.#acknowledged) {
      const point = bySequence.get(sequence);
      if (point === undefined) {
        if (!mayBeDeleted(sequence, all, rows, stagingNowsMicroseconds)) {
          throw new OracleViolation('R12', `acknowledged point ${sequence} is gone, and retention keeps it`);
        }
        this.#acknowledged.delete(sequence);
      } else if (point.checkpointId !== checkpointId) {
        throw new OracleViolation('R18', `point ${sequence} is of another checkpoint than was acknowledged`);
      }
    }
    const ids = new Set(points.map((point) => point.checkpointId));
    if (ids.size !== points.length) throw new OracleViolation('R18', 'two points are of one checkpoint');
  }

  /** R13, R16: the content of all disks is that of one instant; R15: each block's stored digest is that of its bytes. */
  async checkPoint(store: StagingStore, sequence: number, notBeforeMicroseconds = 0): Promise<void> {
    const reader = await store.openPoint(sequence);
    try {
      const { point } = reader;
      this.#checkShape(point);
      const disks = await this.#readDisks(reader, store.digestKey);
      this.#checkOrder(point, disks);
      const position = this.#findPosition(point, disks, notBeforeMicroseconds);
      this.#positions.set(point.checkpointId, position);
      this.#checkConsistency(point);
      this.#pointsChecked++;
    } finally {
      await reader.close();
    }
  }

  /**
   * R15: after a byte of the store has rotted. False when no point shows it; throws when verify does not name exactly the
   * blocks that are not what they were.
   */
  async checkRot(store: StagingStore): Promise<boolean> {
    let found = false;
    for (const { sequence, checkpointId } of store.points()) {
      const position = this.#positions.get(checkpointId);
      if (position === undefined) throw new Error(`point ${sequence} was never checked`);
      const { changedBlocks, error } = await judgeRot(store, sequence, this.#world.timeline.contentAfter(position));
      if (error !== null) throw new OracleViolation('R15', `point ${sequence}: ${error}`);
      found ||= changedBlocks > 0;
    }
    return found;
  }

  #checkShape(point: StagedPoint): void {
    const ids = point.disks.map(({ diskId }) => diskId);
    if (JSON.stringify(ids) !== JSON.stringify(this.#world.diskIds)) {
      throw new OracleViolation('R13', `point ${point.sequence} has the disks ${ids.join(', ')}`);
    }
  }

  /** R13, without any clock: what is held of the writes that were ordered across the disks is a prefix of them. */
  #checkOrder(point: StagedPoint, disks: readonly Uint8Array[]): void {
    const held = disks.map((bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return Array.from({ length: RESERVED_SECTORS }, (_, sector) => view.getUint32(sector * SECTOR_BYTES, true));
    });
    const error = this.#world.orderedWrites.judge(held);
    if (error !== null) throw new OracleViolation('R13', `point ${point.sequence} tears an order of writes: ${error}`);
  }

  async #readDisks(reader: PointReader, digestKey: Uint8Array): Promise<readonly Uint8Array[]> {
    const digester = createDigester(digestKey);
    const disks: Uint8Array[] = [];
    for (const { diskIndex, sizeBytes, diskId } of reader.point.disks) {
      const bytes = new Uint8Array(sizeBytes);
      await reader.read(diskIndex, 0, bytes);
      const blockCount = Math.ceil(sizeBytes / BLOCK_SIZE_BYTES);
      const stored = await reader.digests(diskIndex, 0, blockCount);
      if (stored.length !== blockCount * DIGEST_BYTES || !equalDigests(stored, digester.digestBlocks(bytes))) {
        throw new OracleViolation(
          'R15',
          `point ${reader.point.sequence}: digests of ${diskId} are not those of its bytes`,
        );
      }
      this.#blocksChecked += blockCount;
      disks.push(bytes);
    }
    return disks;
  }

  #findPosition(point: StagedPoint, disks: readonly Uint8Array[], notBeforeMicroseconds: number): number {
    const known = this.#positions.get(point.checkpointId);
    if (known !== undefined) {
      const difference = this.#compare(disks, known);
      if (difference === null) return known;
      throw new OracleViolation('R12', `point ${point.sequence} has changed since it was checked: ${difference}`);
    }
    const { timeline, wallClock } = this.#world;
    const instants = wallClock
      .instantsOf(point.instantMicroseconds)
      .filter((instant) => instant >= notBeforeMicroseconds);
    if (instants.length === 0) {
      throw new OracleViolation('R16', `point ${point.sequence} names an instant before its attempt began`);
    }
    let story = '';
    for (const instant of instants) {
      const { first, last } = timeline.positionsAt(instant);
      for (let position = first; position <= last; position++) {
        const difference = this.#compare(disks, position);
        if (difference === null) return position;
        story = difference;
      }
    }
    throw new OracleViolation(
      'R16',
      `point ${point.sequence} (${point.consistency}) equals no instant of its window: ${story}`,
    );
  }

  /** Null when all disks are as they were then, else where not. */
  #compare(disks: readonly Uint8Array[], position: number): string | null {
    const content = this.#world.timeline.contentAfter(position);
    for (const [disk, bytes] of disks.entries()) {
      const sector = findDifference(bytes, content[disk] as Uint32Array, 0);
      if (sector === null) continue;
      const held = new DataView(bytes.buffer, sector * SECTOR_BYTES, 4).getUint32(0, true);
      const block = Math.floor((sector * SECTOR_BYTES) / BLOCK_SIZE_BYTES);
      const story = this.#world.timeline.describeSector(disk, sector, position);
      return `disk ${disk} sector ${sector} (block ${block}) holds version ${held}, the source had: ${story}`;
    }
    return null;
  }

  #checkConsistency(point: StagedPoint): void {
    if (point.consistency !== 'filesystem') return;
    const { freezes, wallClock } = this.#world;
    const right = wallClock.instantsOf(point.instantMicroseconds).some((instant) => freezes.allFrozenAt(instant));
    if (!right) {
      throw new OracleViolation(
        'R16',
        `point ${point.sequence} is called filesystem-consistent, and something was not frozen`,
      );
    }
  }
}
