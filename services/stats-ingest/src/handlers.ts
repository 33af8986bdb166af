/** lms.v1.Statistics. */
import { LmsError } from '@lms/errors';
import { subjectToken, type EventConnection } from '@lms/events';
import type { StatisticsService } from '@lms/proto';
import type { Handlers } from '@lms/rpc';
import { deriveStatus, type Patience } from './derivation.ts';
import { readSeries } from './series.ts';
import type { StatisticsStore } from './store.ts';

/** Of samples in a report, and of machines in a question. */
const BATCH_MAX = 1_000;

export interface StatisticsHandlersOptions {
  readonly connection: EventConnection;
  readonly store: StatisticsStore;
  readonly patience: Patience;
}

export function statisticsHandlers(options: StatisticsHandlersOptions): Handlers<typeof StatisticsService> {
  const { connection, store, patience } = options;
  return {
    reportAgentStatistics: async (request) => {
      subjectToken(request.machineId);
      requireBatch(request.batch.length, 'batch');
      if (request.batch.length > 0) await store.appendAgent(request);
      return {};
    },
    reportReplicationServerStatistics: async (request) => {
      subjectToken(request.replicationServer);
      requireBatch(request.batch.length, 'batch');
      for (const { machineId } of request.batch) subjectToken(machineId);
      if (request.batch.length > 0) await store.appendReplicationServer(request);
      return {};
    },
    getMachineStatuses: async ({ machineIds }) => {
      requireBatch(machineIds.length, 'machine_ids');
      const now = new Date();
      return { statuses: machineIds.map((machineId) => deriveStatus(store.machine(machineId), now, patience)) };
    },
    reportRefusedCall: async (request) => {
      subjectToken(request.machineId);
      await store.appendRefusedCall(request);
      return {};
    },
    getMachineObservations: ({ machineId }) => {
      const { agent, server } = store.machine(machineId);
      const { origin, replicationServer, instances, refusedCall } = store.observations(machineId);
      const clockAheadMilliseconds = origin?.clockAheadMilliseconds ?? null;
      return Promise.resolve({
        agent: agent?.sample,
        agentReceivedAt: agent?.receivedAt,
        agentSourceAddress: origin?.sourceAddress ?? '',
        ...(clockAheadMilliseconds === null ? {} : { agentClockAheadMilliseconds: clockAheadMilliseconds }),
        replicationServer: server?.sample,
        replicationServerReceivedAt: server?.receivedAt,
        replicationServerName: replicationServer,
        instances: [...instances],
        refusedCall: refusedCall?.call,
        refusedCallSourceAddress: refusedCall?.sourceAddress ?? '',
      });
    },
    getSeries: async ({ machineId, since, limit }, { signal }) => ({
      samples: await readSeries(connection, { machineId, since: since ?? null, limit }, signal),
    }),
  };
}

function requireBatch(length: number, field: string): void {
  if (length <= BATCH_MAX) return;
  throw new LmsError('INVALID_ARGUMENT', `${field} has ${length} entries, and ${BATCH_MAX} are allowed`, {
    field,
    action: 'Send less at a time.',
  });
}
