/**
 * The list of points in time, as replication servers report it. What lies beside the disks is the truth; this is its copy,
 * so that operators need not wait for a replication server, and `complete` makes it equal again.
 */
import { LmsError } from '@lms/errors';
import type { Point, VerifyReport } from '@lms/proto';
import type { Facts } from './facts.ts';
import { mergePoint, parsePointKey, pointKey, samePoint } from './point-rules.ts';
import type { RegistryStore } from './store.ts';

export class Points {
  readonly #bucket: RegistryStore['points'];
  readonly #facts: Facts;
  /** Points of each machine by sequence, from the bucket's one watch. */
  readonly #byMachine = new Map<string, Map<bigint, Point>>();
  readonly #forget: () => void;

  constructor(bucket: RegistryStore['points'], facts: Facts) {
    this.#bucket = bucket;
    this.#facts = facts;
    for (const { key, value } of bucket.entries()) this.#apply(key, value);
    this.#forget = bucket.onChange((key, entry) => this.#apply(key, entry?.value ?? null));
  }

  close(): void {
    this.#forget();
  }

  /** Oldest first. */
  of(machineId: string): Point[] {
    const points = [...(this.#byMachine.get(machineId)?.values() ?? [])];
    return points.sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
  }

  get(machineId: string, sequence: bigint): Point | null {
    return this.#byMachine.get(machineId)?.get(sequence) ?? null;
  }

  last(machineId: string): Point | undefined {
    let last: Point | undefined;
    for (const point of this.#byMachine.get(machineId)?.values() ?? []) {
      if (last === undefined || point.sequence > last.sequence) last = point;
    }
    return last;
  }

  /** NOT_FOUND when there is no such point. */
  require(machineId: string, machineName: string, sequence: bigint): Point {
    const point = this.get(machineId, sequence);
    if (point !== null) return point;
    throw new LmsError('NOT_FOUND', `machine ${machineName} has no point ${sequence}`, {
      field: 'sequence',
      action: `see \`lms point list ${machineName}\``,
    });
  }

  async report(machineId: string, reported: readonly Point[], complete: boolean): Promise<void> {
    for (const point of reported) await this.#put(machineId, point);
    if (!complete) return;
    const kept = new Set(reported.map((point) => point.sequence));
    for (const point of this.of(machineId)) if (!kept.has(point.sequence)) await this.remove(machineId, point.sequence);
  }

  async remove(machineId: string, sequence: bigint): Promise<void> {
    const key = pointKey(machineId, sequence);
    const entry = this.#bucket.get(key);
    if (entry === null) return;
    await this.#bucket.delete(key, entry.revision);
    const fact = { $case: 'pointDeleted', value: { sequence } } as const;
    this.#facts.tell(machineId, fact, `point.${machineId}.${sequence}`, entry.revision);
  }

  /** Its replication server has done it; the next report says the same. */
  async setPinned(machineId: string, sequence: bigint, checkpointId: string, pinned: boolean): Promise<void> {
    const key = pointKey(machineId, sequence);
    if (this.#bucket.get(key)?.value.checkpointId !== checkpointId) return;
    await this.#bucket.modify(key, (current) => {
      if (current === null) throw new LmsError('NOT_FOUND', `point ${sequence} was deleted meanwhile`);
      return current.checkpointId === checkpointId && current.pinned !== pinned ? { ...current, pinned } : current;
    });
  }

  /** The SHA-256 of disks, once somebody has read all of them and found every block right. */
  async addDigests(
    machineId: string,
    sequence: bigint,
    checkpointId: string,
    digests: VerifyReport['sha256'],
  ): Promise<void> {
    const key = pointKey(machineId, sequence);
    // Deleted meanwhile, or another point under the same number: what was read is gone.
    if (this.#bucket.get(key)?.value.checkpointId !== checkpointId) return;
    const sha256 = new Map(digests.map((digest) => [digest.diskId, digest.sha256]));
    await this.#bucket.modify(key, (current) => {
      if (current === null) throw new LmsError('NOT_FOUND', `point ${sequence} was deleted meanwhile`);
      if (current.checkpointId !== checkpointId) return current;
      const disks = current.disks.map((disk) => ({ ...disk, sha256: sha256.get(disk.diskId) ?? disk.sha256 }));
      return { ...current, disks };
    });
  }

  /** Says again, at a start, what the newest point of each machine is. */
  republish(): void {
    for (const machineId of this.#byMachine.keys()) {
      const last = this.last(machineId);
      const entry = last === undefined ? null : this.#bucket.get(pointKey(machineId, last.sequence));
      if (entry !== null) this.#tellCommitted(machineId, entry.value, entry.revision);
    }
  }

  async #put(machineId: string, reported: Point): Promise<void> {
    const key = pointKey(machineId, reported.sequence);
    let isNew = false;
    const entry = await this.#bucket.modify(key, (current) => {
      // Another checkpoint under the same number: the replica was made anew, and its points count from 1 again.
      isNew = current === null || current.checkpointId !== reported.checkpointId;
      if (current === null || isNew) return reported;
      const merged = mergePoint(current, reported);
      return samePoint(current, merged) ? current : merged;
    });
    if (isNew) this.#tellCommitted(machineId, entry.value, entry.revision);
  }

  #tellCommitted(machineId: string, point: Point, revision: number): void {
    const fact = { $case: 'pointCommitted', value: { point } } as const;
    this.#facts.tell(machineId, fact, `point.${machineId}.${point.sequence}`, revision);
  }

  #apply(key: string, point: Point | null): void {
    const { machineId, sequence } = parsePointKey(key);
    const points = this.#byMachine.get(machineId) ?? new Map<bigint, Point>();
    if (point === null) points.delete(sequence);
    else points.set(sequence, point);
    if (points.size === 0) this.#byMachine.delete(machineId);
    else this.#byMachine.set(machineId, points);
  }
}
