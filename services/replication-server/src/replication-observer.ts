/** What the core tells, as log lines, spans and reports. */
import { contextFromTraceparent, tracer, withSpan } from '@lms/telemetry';
import type { Logger } from '@lms/telemetry';
import type { LmsError } from '@lms/errors';
import type { ReplicationObserver } from './core/ports.ts';
import type { PointReports } from './manager/point-reports.ts';
import type { Refusals } from './refusals.ts';

/** Ends of sessions that are part of ordinary life. */
const ORDINARY_ENDS = new Set(['UNAVAILABLE', 'CANCELLED', 'FENCED', 'REMOVED']);

export function createReplicationObserver(
  logger: Logger,
  reports: () => PointReports | null,
  refusals: Refusals,
): ReplicationObserver {
  const spans = tracer('replication-server');
  const reported = new Map<string, ReadonlySet<number>>();
  return {
    sessionStarted: (machineId, fencingGeneration) => logger.info({ machineId, fencingGeneration }, 'session started'),
    sessionEnded: (machineId, error) => {
      if (error !== null) refusals.record(error, { machineId, address: null, proven: true });
      if (error === null) logger.info({ machineId }, 'session ended');
      else logger[ORDINARY_ENDS.has(error.code) ? 'info' : 'warn'](describe(machineId, error), 'session ended');
    },
    aroundCheckpoint: (machineId, checkpoint, commit) =>
      withSpan(
        spans,
        'checkpoint.commit',
        {
          parent: contextFromTraceparent(checkpoint.traceparent),
          attributes: { 'lms.machine_id': machineId, 'lms.consistency': checkpoint.consistency },
        },
        async (span) => {
          const point = await commit();
          const { sequence, consistency } = point;
          span.setAttribute('lms.sequence', sequence);
          logger.info({ machineId, sequence, consistency }, 'point in time committed');
          reports()?.committed(machineId, point);
          return point;
        },
      ),
    pointsChanged: (machineId, points) => {
      const now = new Set(points.map((point) => point.sequence));
      const deleted = [...(reported.get(machineId) ?? [])].filter((sequence) => !now.has(sequence));
      reported.set(machineId, now);
      if (deleted.length === 0) return;
      logger.info({ machineId, sequences: deleted.join(' ') }, 'points in time deleted');
      reports()?.reportAll(machineId);
    },
    warn: (machineId, error) => logger.warn(describe(machineId, error), 'something failed beside the session'),
  };
}

function describe(machineId: string, error: LmsError) {
  const { code, message, action } = error;
  return { machineId, code, reason: message, action };
}
