/** What a collector sees of the agent, read when it asks. */
import type { BandwidthLimiter } from '@lms/bandwidth';
import { meter } from '@lms/telemetry';
import type { ReplicationStatus } from '../core/index.ts';

export function observeReplication(status: () => ReplicationStatus, bandwidth: BandwidthLimiter): void {
  const meters = meter('agent');
  const gauge = (name: string, unit: string, description: string, read: (now: ReplicationStatus) => number | null) =>
    meters.createObservableGauge(name, { unit, description }).addCallback((result) => {
      const value = read(status());
      if (value !== null) result.observe(value);
    });
  gauge('lms.agent.backlog', 'By', 'bytes known to differ and not yet replicated', ({ disks }) =>
    disks.reduce((sum, disk) => sum + disk.backlogBytes, 0),
  );
  gauge('lms.agent.sent', 'By', 'payload sent since the agent started', ({ counters }) => counters.bytesSentWire);
  gauge('lms.agent.raw', 'By', 'the same before compression', ({ counters }) => counters.bytesRaw);
  gauge('lms.agent.read', 'By', 'read from source disks', ({ counters }) => counters.bytesReadSource);
  gauge(
    'lms.agent.bandwidth.limit',
    'bit/s',
    'of what is sent on TCP 1500, as the schedule has it now',
    () => bandwidth.inForce().limitBitsPerSecond,
  );
  gauge('lms.agent.tracker.losses', '{loss}', 'times that tracking was lost', ({ counters }) => counters.trackerLosses);
  gauge('lms.agent.point.pause', 's', 'how long writers were blocked by the last point', ({ counters }) =>
    counters.lastPauseMicroseconds === null ? null : counters.lastPauseMicroseconds / 1_000_000,
  );
}
