/**
 * Notices when a whole copy of the disks (initial sync, rescan) or a catching up after a break begins, and when it is
 * durable at the server, and says so in the log with what it took. Figures are differences of the counters, so they hold
 * for one session.
 */
import type { Clock } from './ports.ts';
import type { ReplicationCounters, ReplicatorObserver } from './status.ts';
import type { Tracking } from './tracking.ts';

type ScanKind = 'initialSync' | 'rescan' | 'resume';

const COMPLETION_MESSAGES: Readonly<Record<ScanKind, string>> = {
  initialSync: 'initial sync is complete',
  rescan: 'rescan is complete',
  resume: 'catching up is complete',
};

interface Scan {
  readonly kind: ScanKind;
  readonly startedAtMilliseconds: number;
  readonly before: Readonly<ReplicationCounters>;
  /** The mark whose acknowledgement makes it durable; null while it is under way. */
  completingMark: number | null;
}

export class ScanProgress {
  readonly #tracking: Tracking;
  readonly #counters: ReplicationCounters;
  readonly #clock: Clock;
  readonly #observer: ReplicatorObserver;
  #scan: Scan | null = null;

  constructor(tracking: Tracking, counters: ReplicationCounters, clock: Clock, observer: ReplicatorObserver) {
    this.#tracking = tracking;
    this.#counters = counters;
    this.#clock = clock;
    this.#observer = observer;
  }

  sessionBegan(): void {
    this.#begin(this.#wholeCopy() ?? 'resume');
    this.#observer.log('info', 'replication session began', { kind: this.#scan?.kind });
  }

  /** To be called often: it compares two sets with nothing. */
  update(): void {
    const kind = this.#wholeCopy();
    const scan = this.#scan;
    if (kind !== null) {
      if (scan === null || scan.kind === 'resume' || scan.completingMark !== null) this.#begin(kind);
      return;
    }
    if (scan === null) return;
    const { state, disks } = this.#tracking;
    if (scan.kind === 'resume' && scan.completingMark === null && disks.some(({ map }) => map.dirty.count > 0)) return;
    // Everything of it was taken: the next mark that is sealed stands for all of it.
    scan.completingMark ??= state.nextMarkId;
    const acknowledged = state.acknowledgedMark >= scan.completingMark;
    if (acknowledged || this.#tracking.disks.every(({ map }) => map.unacknowledgedCount === 0)) this.#complete(scan);
  }

  #wholeCopy(): ScanKind | null {
    const { state, disks } = this.#tracking;
    if (state.initialSync.size > 0) return 'initialSync';
    return disks.some(({ map }) => map.suspect.count > 0) ? 'rescan' : null;
  }

  #begin(kind: ScanKind): void {
    const startedAtMilliseconds = this.#clock.monotonicMilliseconds();
    this.#scan = { kind, startedAtMilliseconds, before: { ...this.#counters }, completingMark: null };
  }

  #complete({ kind, startedAtMilliseconds, before }: Scan): void {
    this.#scan = null;
    const { bytesReadSource, bytesRaw, bytesSentWire } = this.#counters;
    this.#observer.log('info', COMPLETION_MESSAGES[kind], {
      seconds: (this.#clock.monotonicMilliseconds() - startedAtMilliseconds) / 1000,
      bytesScanned: bytesReadSource - before.bytesReadSource,
      bytesRaw: bytesRaw - before.bytesRaw,
      bytesSentWire: bytesSentWire - before.bytesSentWire,
    });
  }
}
