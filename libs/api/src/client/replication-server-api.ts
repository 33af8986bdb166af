/** What a replication server asks of the manager: the seed page's staging server API. */
import type { ProxySettings } from '@lms/proxy';
import {
  AssignmentsAnswer,
  Empty,
  EnrolReplicationServerAnswer,
  ExportReceipt,
  RenewCertificateAnswer,
  type EnrolReplicationServerRequest,
  type LogRecord,
  type PointsReport,
  type ReadyReport,
  type ReplicationServerStatistics,
  type TaskResult,
} from '../schemas/index.ts';
import { LONG_POLL_MARGIN_MILLISECONDS, certifiedClient, type CallerOptions } from './agent-api.ts';
import { ApiClient } from './api-client.ts';
import { ManagerWay } from './manager-way.ts';
import { createDispatcher } from './trust.ts';

/** Exact size of what follows; chunked bodies have no other place for it. */
export const EXPORT_SIZE_HEADER = 'lms-size-bytes';

export async function enrolReplicationServer(
  managerUrl: string,
  caPem: string,
  request: EnrolReplicationServerRequest,
  signal: AbortSignal,
  proxy: ProxySettings | null = null,
): Promise<EnrolReplicationServerAnswer> {
  const dispatcher = createDispatcher(caPem, proxy, signal);
  try {
    const client = new ApiClient({ managerUrl, dispatcher });
    const path = '/v1/replication-server/enrol';
    return await client.call({ method: 'POST', path, body: request, answer: EnrolReplicationServerAnswer, signal });
  } finally {
    await dispatcher.destroy();
  }
}

export class ReplicationServerApi {
  private readonly way: ManagerWay;
  private readonly client: ApiClient;

  constructor(options: CallerOptions) {
    this.way = new ManagerWay(options.caPem, options.proxy ?? null);
    this.client = certifiedClient(options, this.way, '/v1/replication-server/token');
  }

  /** Takes another way from now on, without trying it. Requests under way come to their end: an export may last for hours. */
  changeProxy(proxy: ProxySettings | null): void {
    this.way.change(proxy, 'finish');
  }

  /** Resolves when the manager has answered on the present way, and accepts who is asking. Changes nothing there. */
  authenticate(signal: AbortSignal): Promise<void> {
    return this.client.authenticate(signal);
  }

  /** `revision`: of the last answer, null for an answer at once; else waits up to `waitSeconds` (at most 25) for another. */
  assignments(revision: string | null, waitSeconds: number, signal: AbortSignal): Promise<AssignmentsAnswer> {
    return this.client.call({
      method: 'GET',
      path: '/v1/replication-server/assignments',
      query: { revision: revision ?? undefined, wait: waitSeconds },
      answer: AssignmentsAnswer,
      signal,
      timeoutMilliseconds: waitSeconds * 1_000 + LONG_POLL_MARGIN_MILLISECONDS,
    });
  }

  async ready(report: ReadyReport, signal: AbortSignal): Promise<void> {
    const path = '/v1/replication-server/ready';
    await this.client.call({ method: 'POST', path, body: report, answer: Empty, signal, repeatable: true });
  }

  async statistics(batch: readonly ReplicationServerStatistics[], signal: AbortSignal): Promise<void> {
    const path = '/v1/replication-server/statistics';
    await this.client.call({ method: 'POST', path, body: { batch }, answer: Empty, signal, repeatable: true });
  }

  async logs(batch: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const path = '/v1/replication-server/logs';
    await this.client.call({ method: 'POST', path, body: { batch }, answer: Empty, signal, repeatable: true });
  }

  async reportPoints(machineId: string, report: PointsReport, signal: AbortSignal): Promise<void> {
    const path = `/v1/replication-server/machines/${encodeURIComponent(machineId)}/points`;
    await this.client.call({ method: 'POST', path, body: report, answer: Empty, signal, repeatable: true });
  }

  async taskResult(taskId: string, result: TaskResult, signal: AbortSignal): Promise<void> {
    const path = `/v1/replication-server/tasks/${encodeURIComponent(taskId)}/result`;
    await this.client.call({ method: 'POST', path, body: result, answer: Empty, signal, repeatable: true });
  }

  /** Streams a raw disk, or the part that was asked for, to whoever waits. The receipt says what arrived: compare it. */
  uploadExport(
    taskId: string,
    sizeBytes: number,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<ExportReceipt> {
    const path = `/v1/replication-server/exports/${encodeURIComponent(taskId)}`;
    return this.client.upload(path, body, { [EXPORT_SIZE_HEADER]: String(sizeBytes) }, ExportReceipt, signal);
  }

  renewCertificate(csrPem: string, signal: AbortSignal): Promise<RenewCertificateAnswer> {
    const path = '/v1/replication-server/certificate';
    const body = { csrPem };
    return this.client.call({ method: 'POST', path, body, answer: RenewCertificateAnswer, signal, repeatable: true });
  }

  async close(): Promise<void> {
    await this.way.close();
  }
}
