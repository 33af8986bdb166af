/**
 * What the manager asks of this server beside replication: verify, export, pin or delete a point in time. A task stays in the
 * assignments until its result was taken, so each is run once and its result repeated until then; a restart runs it anew,
 * which all of them bear.
 */
import { setMaxListeners } from 'node:events';
import type { ReplicationServerApi, ReplicationTask, TaskResult } from '@lms/api';
import { LmsError, toLmsError } from '@lms/errors';
import type { StagingStore } from '../store/staging-store.ts';
import { DigestTrails } from './digest-trails.ts';
import type { ExportHolds } from './export-holds.ts';
import { exportDisk } from './export.ts';
import type { DiskExport } from './export.ts';
import { reportResult } from './result-report.ts';

/** A verify reads and hashes whole disks: one after another. People wait for exports. */
const MAXIMUM_AT_ONCE: Readonly<Record<ReplicationTask['kind'], number>> = {
  verify: 1,
  export: 4,
  delete: 1,
  pin: 1,
  unpin: 1,
  unknown: 1,
};

export interface TasksOptions {
  readonly api: Pick<ReplicationServerApi, 'taskResult' | 'uploadExport'>;
  readonly store: (machineId: string) => Promise<StagingStore>;
  readonly holds: ExportHolds;
  /** Points of this machine were deleted, pinned or let go. */
  readonly onPointsChanged: (machineId: string) => void;
  readonly onFinished: (task: ReplicationTask, error: LmsError | null) => void;
  readonly signal: AbortSignal;
}

export class Tasks {
  readonly #options: TasksOptions;
  readonly #trails = new DigestTrails();
  /** Known ones, under way or waiting for the manager to forget them. */
  readonly #known = new Map<string, Promise<void>>();
  readonly #waiting: ReplicationTask[] = [];
  readonly #running: Record<ReplicationTask['kind'], number> = {
    verify: 0,
    export: 0,
    delete: 0,
    pin: 0,
    unpin: 0,
    unknown: 0,
  };

  constructor(options: TasksOptions) {
    this.#options = options;
    setMaxListeners(0, options.signal);
  }

  /** All tasks that the manager lists now. */
  update(tasks: readonly ReplicationTask[]): void {
    const listed = new Set(tasks.map((task) => task.id));
    for (const id of this.#known.keys()) if (!listed.has(id)) this.#known.delete(id);
    for (const task of tasks) {
      if (this.#known.has(task.id) || this.#waiting.some((other) => other.id === task.id)) continue;
      this.#waiting.push(task);
    }
    this.#startWaiting();
  }

  #startWaiting(): void {
    if (this.#options.signal.aborted) return;
    for (const task of this.#waiting.splice(0)) {
      if (this.#running[task.kind] >= MAXIMUM_AT_ONCE[task.kind]) {
        this.#waiting.push(task);
        continue;
      }
      this.#running[task.kind] += 1;
      const run = this.#run(task).finally(() => {
        this.#running[task.kind] -= 1;
        this.#startWaiting();
      });
      this.#known.set(task.id, run);
    }
  }

  /** Resolves when those under way have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#known.values());
  }

  async #run(task: ReplicationTask): Promise<void> {
    let result: TaskResult;
    let error: LmsError | null = null;
    try {
      result = { state: 'succeeded', ...(await this.#perform(task)) };
    } catch (thrown) {
      error = toLmsError(thrown);
      result = { state: 'failed', code: error.code, message: error.message };
    }
    // Interrupted by our own stop: the next process runs it again.
    if (this.#options.signal.aborted) return;
    this.#options.onFinished(task, error);
    await reportResult(this.#options.api, task.id, result, this.#options.signal);
  }

  async #perform(task: ReplicationTask): Promise<Partial<TaskResult>> {
    const store = await this.#options.store(task.machineId);
    switch (task.kind) {
      case 'verify': {
        const { sequence: _sequence, ...report } = await store.verifyPoint(task.sequence, this.#options.signal);
        return { report: { ...report, mismatches: [...report.mismatches], sha256: { ...report.sha256 } } };
      }
      case 'delete':
        await this.#deletePoint(store, task);
        return {};
      case 'pin':
      case 'unpin':
        await store.pinPoint(task.sequence, task.kind === 'pin');
        this.#options.onPointsChanged(task.machineId);
        return {};
      case 'export':
        return this.#export(store, task);
      case 'unknown':
        throw new LmsError('UNSUPPORTED', 'this replication server does not know the task: upgrade it');
    }
  }

  async #deletePoint(store: StagingStore, task: ReplicationTask): Promise<void> {
    this.#options.holds.release(task.machineId, task.sequence);
    try {
      await store.deletePoint(task.sequence);
    } catch (thrown) {
      // Deleted by an earlier run of this task, or by retention: what was asked for is so.
      if (toLmsError(thrown).code !== 'NOT_FOUND') throw thrown;
    }
    this.#options.onPointsChanged(task.machineId);
  }

  async #export(store: StagingStore, task: ReplicationTask): Promise<Partial<TaskResult>> {
    const reader = await store.openPoint(task.sequence);
    try {
      const request = { ...task, diskId: task.diskId ?? '' };
      const image = exportDisk(reader, request, store.digestKey, this.#trails);
      const { checkpointId } = reader.point;
      const { machineId, sequence, diskId } = request;
      const ended = await this.#options.holds.begin(store, { machineId, sequence, checkpointId, diskId });
      try {
        await this.#upload(task, image);
        ended(false);
      } catch (thrown) {
        ended(true);
        throw thrown;
      }
      const sha256 = image.wholeSha256();
      return sha256 === null ? {} : { sha256 };
    } finally {
      await reader.close();
    }
  }

  async #upload(task: ReplicationTask, image: DiskExport): Promise<void> {
    const { sizeBytes, body } = image;
    const receipt = await this.#options.api.uploadExport(task.id, sizeBytes, body, this.#options.signal);
    if (receipt.sha256 === image.sha256() && receipt.sizeBytes === sizeBytes) return;
    throw new LmsError('DATA_LOSS', 'The manager received other bytes than were sent', {
      action: 'Export again; if it happens again, look for a proxy that changes bodies.',
    });
  }
}
