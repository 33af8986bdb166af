/** What replication servers ask: the seed page's staging server API. Each may speak of the machines that it serves. */
import {
  AssignmentsAnswer,
  AssignmentsQuery,
  EXPORT_SIZE_HEADER,
  Empty,
  ExportReceipt,
  LogBatch,
  MAXIMUM_BATCH_BODY_BYTES,
  MachineId,
  OperationId,
  PointsReport,
  ReadyReport,
  RenewCertificateAnswer,
  RenewCertificateRequest,
  ReplicationServerStatisticsBatch,
  TaskResult,
} from '@lms/api';
import { z } from 'zod';
import { certifiedCaller } from '../access/caller.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { logRecord } from '../translation/logs.ts';
import { reportedCheck } from '../translation/network-check.ts';
import { reportedVerification } from '../translation/operation.ts';
import { reportedPoint } from '../translation/point.ts';
import { replicationServerSample } from '../translation/statistics.ts';
import { clockAhead } from '../translation/values.ts';
import { assignedMachineIds, readAssignments, requireAssigned } from './assignments.ts';
import { longPoll } from './long-poll.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'replication-server' } as const;

export function addReplicationServerRoutes(application: Application, context: RouteContext): void {
  const { clients, exchange, stopping } = context;
  const { registry, statistics, logs, staging } = clients;

  application.get(
    '/v1/replication-server/assignments',
    {
      config,
      schema: {
        summary: 'Machines to serve and tasks to do',
        querystring: AssignmentsQuery,
        response: answers(AssignmentsAnswer),
      },
    },
    async ({ caller, query }, reply) =>
      readAssignments(
        clients,
        certifiedCaller(caller).id,
        query.revision ?? null,
        longPoll(query.wait, reply, stopping),
      ),
  );

  application.post(
    '/v1/replication-server/ready',
    { config, schema: { summary: 'It listens', body: ReadyReport, response: answers(Empty) } },
    async ({ caller, body }) => {
      const { address, port, version, pid } = body;
      await staging.reportReady({
        replicationServer: certifiedCaller(caller).id,
        address,
        port,
        version,
        freeBytes: BigInt(body.freeBytes),
        interfaceAddresses: body.interfaceAddresses ?? [],
        ...clockAhead(body.at),
        ...(pid === undefined ? {} : { pid }),
      });
      return {};
    },
  );

  application.post(
    '/v1/replication-server/statistics',
    {
      config,
      bodyLimit: MAXIMUM_BATCH_BODY_BYTES,
      schema: { summary: 'Statistics', body: ReplicationServerStatisticsBatch, response: answers(Empty) },
    },
    async ({ caller, body }) => {
      const replicationServer = certifiedCaller(caller).id;
      const served = await assignedMachineIds(clients, replicationServer);
      // A machine that was taken from it between the sample and now is no error: its samples are let go.
      const batch = body.batch.filter((one) => served.has(one.machineId)).map(replicationServerSample);
      if (batch.length > 0) await statistics.reportReplicationServerStatistics({ replicationServer, batch });
      return {};
    },
  );

  application.post(
    '/v1/replication-server/logs',
    {
      config,
      bodyLimit: MAXIMUM_BATCH_BODY_BYTES,
      schema: { summary: 'Logs', body: LogBatch, response: answers(Empty) },
    },
    async ({ caller, body }) => {
      await logs.appendLogs({
        source: 'replication-server',
        id: certifiedCaller(caller).id,
        batch: body.batch.map(logRecord),
      });
      return {};
    },
  );

  application.post(
    '/v1/replication-server/machines/:machineId/points',
    {
      config,
      bodyLimit: MAXIMUM_BATCH_BODY_BYTES,
      schema: {
        summary: 'Points in time that it holds',
        params: z.object({ machineId: MachineId }),
        body: PointsReport,
        response: answers(Empty),
      },
    },
    async ({ caller, params, body }) => {
      const { machineId } = params;
      await requireAssigned(clients, certifiedCaller(caller).id, machineId);
      await registry.reportPoints({ machineId, complete: body.complete, points: body.points.map(reportedPoint) });
      return {};
    },
  );

  const TaskParameters = z.object({ taskId: OperationId });
  application.post(
    '/v1/replication-server/tasks/:taskId/result',
    {
      config,
      bodyLimit: MAXIMUM_BATCH_BODY_BYTES,
      schema: { summary: 'Result of a task', params: TaskParameters, body: TaskResult, response: answers(Empty) },
    },
    async ({ caller, params, body }) => {
      await registry.completeOperation({
        operationId: params.taskId,
        machineIds: [...(await assignedMachineIds(clients, certifiedCaller(caller).id))],
        succeeded: body.state === 'succeeded',
        errorCode: body.code ?? '',
        errorMessage: body.message ?? '',
        sequence: 0n,
        verifyReport: reportedVerification(body),
        sha256: body.sha256 ?? '',
        replicationServer: certifiedCaller(caller).id,
        checkReportJson: reportedCheck(body.checkReport),
      });
      return {};
    },
  );

  application.post(
    '/v1/replication-server/certificate',
    {
      config,
      schema: {
        summary: 'Renew the certificate',
        body: RenewCertificateRequest,
        response: answers(RenewCertificateAnswer),
      },
    },
    async ({ caller, body }) => {
      const { uri, dnsNames } = certifiedCaller(caller);
      const request = { spiffeId: uri, csrPem: body.csrPem, dnsNames: [...dnsNames] };
      const { certificatePem } = await registry.renewCertificate(request);
      return { certificatePem };
    },
  );

  const ExportHeaders = z.object({ [EXPORT_SIZE_HEADER]: z.coerce.number<string>().int().nonnegative() });
  void application.register(async (uploads) => {
    // The body is a disk: it is passed on as it comes, and never parsed.
    uploads.removeAllContentTypeParsers();
    uploads.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
    (uploads as unknown as Application).put(
      '/v1/replication-server/exports/:taskId',
      {
        config: { ...config, streamsBody: true },
        schema: {
          summary: 'Stream a raw disk to the operator who waits for it',
          params: TaskParameters,
          headers: ExportHeaders,
          response: answers(ExportReceipt),
        },
      },
      async ({ caller, params, headers, raw }) => {
        const { taskId } = params;
        const { operation } = await registry.getOperation({ operationId: taskId, waitMilliseconds: 0 });
        await requireAssigned(clients, certifiedCaller(caller).id, operation?.machineId ?? '');
        return exchange.deliver(taskId, { body: raw, sizeBytes: headers[EXPORT_SIZE_HEADER] });
      },
    );
  });
}
