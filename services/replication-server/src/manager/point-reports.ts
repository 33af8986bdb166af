/**
 * Tells the manager which points in time there are. The data is the truth: at the start, after the manager was away, and
 * whenever points were deleted, the complete list replaces what the manager has; a new point is reported at once, alone,
 * inside the trace of its own commit.
 *
 * Each machine has a queue of its own, sent in order and repeated until the manager took it. A queue that grows too long is
 * replaced by one complete list: nothing is lost but the traces.
 */
import { context } from '@lms/telemetry';
import type { Context } from '@lms/telemetry';
import type { PointReport, PointsReport } from '@lms/api';
import { toLmsError } from '@lms/errors';
import type { LmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { StagedPoint } from '../store/staging-store.ts';

const BACK_OFF = { firstMilliseconds: 250, longestMilliseconds: 15_000 };
/** Points that wait one by one for a manager that is away; from there on the complete list says it all. */
const MAXIMUM_QUEUED_POINTS = 16;

export interface PointReportsOptions {
  readonly send: (machineId: string, report: PointsReport, signal: AbortSignal) => Promise<void>;
  /** All points of the machine now; null when it is not ours any more. */
  readonly points: (machineId: string) => Promise<readonly StagedPoint[] | null>;
  readonly onFailure: (machineId: string, error: LmsError) => void;
  readonly signal: AbortSignal;
}

interface MachineQueue {
  readonly news: { readonly point: StagedPoint; readonly trace: Context }[];
  complete: boolean;
  running: Promise<void> | null;
}

export class PointReports {
  readonly #options: PointReportsOptions;
  readonly #queues = new Map<string, MachineQueue>();

  constructor(options: PointReportsOptions) {
    this.#options = options;
  }

  /** Call it inside the span that committed the point. */
  committed(machineId: string, point: StagedPoint): void {
    const queue = this.#queue(machineId);
    if (queue.news.length >= MAXIMUM_QUEUED_POINTS) queue.complete = true;
    else queue.news.push({ point, trace: context.active() });
    this.#start(machineId, queue);
  }

  reportAll(machineId: string): void {
    const queue = this.#queue(machineId);
    queue.complete = true;
    this.#start(machineId, queue);
  }

  /** Nothing of this machine is to be told any more. */
  forget(machineId: string): void {
    const queue = this.#queues.get(machineId);
    if (queue === undefined) return;
    queue.news.length = 0;
    queue.complete = false;
  }

  /** Resolves when nothing waits (all was taken, or the signal ended it). */
  async idle(): Promise<void> {
    for (const queue of this.#queues.values()) await queue.running;
  }

  #queue(machineId: string): MachineQueue {
    let queue = this.#queues.get(machineId);
    if (queue === undefined) {
      queue = { news: [], complete: false, running: null };
      this.#queues.set(machineId, queue);
    }
    return queue;
  }

  #start(machineId: string, queue: MachineQueue): void {
    queue.running ??= this.#drain(machineId, queue).finally(() => {
      queue.running = null;
      // What came between the last look at the queue and here.
      if (this.#hasWork(queue)) this.#start(machineId, queue);
    });
  }

  #hasWork(queue: MachineQueue): boolean {
    return !this.#options.signal.aborted && (queue.complete || queue.news.length > 0);
  }

  async #drain(machineId: string, queue: MachineQueue): Promise<void> {
    const backOff = new BackOff(BACK_OFF);
    while (this.#hasWork(queue)) {
      try {
        if (queue.complete) await this.#sendAll(machineId, queue);
        else await this.#sendFirst(machineId, queue);
        backOff.succeeded();
      } catch (thrown) {
        if (this.#options.signal.aborted) return;
        const error = toLmsError(thrown);
        if (backOff.failures === 0) this.#options.onFailure(machineId, error);
        await pause(backOff.failed(), this.#options.signal);
      }
    }
  }

  async #sendAll(machineId: string, queue: MachineQueue): Promise<void> {
    queue.complete = false;
    const covered = queue.news.splice(0);
    try {
      const points = await this.#options.points(machineId);
      if (points === null) return;
      await this.#options.send(machineId, { complete: true, points: points.map(toPointReport) }, this.#options.signal);
    } catch (thrown) {
      queue.complete = true;
      queue.news.unshift(...covered);
      throw thrown;
    }
  }

  async #sendFirst(machineId: string, queue: MachineQueue): Promise<void> {
    const [first] = queue.news;
    if (first === undefined) return;
    const report = { complete: false, points: [toPointReport(first.point)] };
    await context.with(first.trace, () => this.#options.send(machineId, report, this.#options.signal));
    queue.news.shift();
  }
}

export function toPointReport(point: StagedPoint): PointReport {
  return {
    sequence: point.sequence,
    checkpointId: point.checkpointId,
    requestId: point.requestId,
    consistency: point.consistency,
    createdAt: toInstant(point.instantMicroseconds),
    pauseMicroseconds: point.pauseMicroseconds,
    pinned: point.pinned,
    disks: point.disks.map(({ diskId, device, sizeBytes }) => ({ diskId, device, sizeBytes, sha256: null })),
  };
}

/** RFC 3339 in UTC, to the microsecond. */
export function toInstant(microseconds: number): string {
  const milliseconds = Math.floor(microseconds / 1000);
  const rest = String(microseconds - milliseconds * 1000).padStart(3, '0');
  return new Date(milliseconds).toISOString().replace('Z', `${rest}Z`);
}
