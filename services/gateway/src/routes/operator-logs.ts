import { LogsAnswer, LogsQuery } from '@lms/api';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { storedRecord } from '../translation/logs.ts';
import type { RouteContext } from './route-context.ts';

export function addLogRoutes(application: Application, { clients }: RouteContext): void {
  application.get(
    '/v1/logs',
    {
      config: { access: 'operator' },
      schema: {
        summary: 'Logs of agents and replication servers',
        querystring: LogsQuery,
        response: answers(LogsAnswer),
      },
    },
    async ({ query }) => {
      const { records, nextBeforePosition } = await clients.logs.queryLogs({
        source: query.source ?? '',
        id: query.id ?? '',
        limit: query.limit,
        beforePosition: BigInt(query.pageToken ?? 0),
      });
      const nextPageToken = nextBeforePosition === 0n ? null : String(nextBeforePosition);
      return { records: records.map(storedRecord), nextPageToken };
    },
  );
}
