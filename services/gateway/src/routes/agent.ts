/** What agents ask. Whose machine it is, their access token says. */
import {
  AGENT_COMMAND_KINDS,
  AgentStatisticsBatch,
  CommandResult,
  CommandsAnswer,
  CommandsQuery,
  Empty,
  HEARTBEAT_SECONDS,
  HeartbeatAnswer,
  HeartbeatRequest,
  LogBatch,
  MAXIMUM_BATCH_BODY_BYTES,
  OperationId,
  RenewCertificateAnswer,
  RenewCertificateRequest,
  type AgentCommand,
  type AgentCommandKind,
  type OperationKind,
} from '@lms/api';
import { LmsError, toLmsError } from '@lms/errors';
import type { Operation } from '@lms/proto';
import { z } from 'zod';
import { certifiedCaller } from '../access/caller.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { agentCheck, isCheckOfAgent, reportedCheck } from '../translation/network-check.ts';
import { logRecord } from '../translation/logs.ts';
import { reportedDisk } from '../translation/machine.ts';
import { agentSettings } from '../translation/settings.ts';
import { agentSample } from '../translation/statistics.ts';
import { clockAhead, instant } from '../translation/values.ts';
import { consistencyWords, operationKindWords } from '../translation/words.ts';
import { longPoll } from './long-poll.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'machine' } as const;

export function addAgentRoutes(application: Application, context: RouteContext): void {
  const { clients, logger, stopping } = context;
  const { registry, statistics, logs } = clients;

  application.post(
    '/v1/agent/heartbeat',
    { config, schema: { summary: 'Heartbeat', body: HeartbeatRequest, response: answers(HeartbeatAnswer) } },
    async ({ caller, body }) => {
      const machineId = certifiedCaller(caller).id;
      const { machine } = await registry.heartbeatMachine({
        machineId,
        agentVersion: body.version,
        bootId: body.bootId,
        disks: body.disks.map(reportedDisk),
        inventoryJson: body.inventory === undefined ? '' : JSON.stringify(body.inventory),
        name: body.name ?? '',
      });
      if (machine?.settings === undefined) throw new LmsError('INTERNAL', 'the registry sent no machine');
      return {
        ...(await findEndpoints(machineId)),
        settings: agentSettings(machine.settings),
        desired: { paused: machine.paused },
        heartbeatSeconds: HEARTBEAT_SECONDS,
      };
    },
  );

  /** Without staging-controller an agent keeps what it has: "none yet" is the safe answer, and the next heartbeat asks again. */
  async function findEndpoints(
    machineId: string,
  ): Promise<Pick<HeartbeatAnswer, 'blockStream' | 'blockStreamAlternatives'>> {
    try {
      const { endpoint, alternatives } = await clients.staging.getEndpoint({ machineId });
      return { blockStream: endpoint ?? null, blockStreamAlternatives: alternatives };
    } catch (thrown) {
      const error = toLmsError(thrown);
      logger.warn({ code: error.code, machineId }, `where the agent connects to is not known: ${error.message}`);
      return { blockStream: null, blockStreamAlternatives: [] };
    }
  }

  application.get(
    '/v1/agent/commands',
    {
      config,
      schema: { summary: 'Wait for commands', querystring: CommandsQuery, response: answers(CommandsAnswer) },
    },
    async ({ caller, query }, reply) => {
      const { waitMilliseconds, settings } = longPoll(query.wait, reply, stopping);
      const machineId = certifiedCaller(caller).id;
      const knownOperationIds = query.known?.split(',') ?? [];
      const request = { machineId, knownOperationIds, waitMilliseconds };
      const { operations } = await registry.watchCommands(request, settings);
      const checks = operations.filter(isCheckOfAgent).map(agentCheck);
      return { commands: operations.filter((one) => !isCheckOfAgent(one)).map(agentCommand), checks };
    },
  );

  application.post(
    '/v1/agent/commands/:commandId/result',
    {
      config,
      schema: {
        summary: 'Result of a command',
        params: z.object({ commandId: OperationId }),
        body: CommandResult,
        response: answers(Empty),
      },
    },
    async ({ caller, params, body }) => {
      await registry.completeOperation({
        operationId: params.commandId,
        machineIds: [certifiedCaller(caller).id],
        succeeded: body.state === 'succeeded',
        errorCode: body.code ?? '',
        errorMessage: body.message ?? '',
        sequence: BigInt(body.sequence ?? 0),
        verifyReport: undefined,
        sha256: '',
        replicationServer: '',
        checkReportJson: reportedCheck(body.report),
      });
      return {};
    },
  );

  application.post(
    '/v1/agent/statistics',
    {
      config,
      bodyLimit: MAXIMUM_BATCH_BODY_BYTES,
      schema: { summary: 'Statistics', body: AgentStatisticsBatch, response: answers(Empty) },
    },
    async ({ caller, body, callerAddress }) => {
      const machineId = certifiedCaller(caller).id;
      await statistics.reportAgentStatistics({
        machineId,
        batch: body.batch.map(agentSample),
        sourceAddress: callerAddress,
        ...clockAhead(body.sentAt),
      });
      return {};
    },
  );

  application.post(
    '/v1/agent/logs',
    {
      config,
      bodyLimit: MAXIMUM_BATCH_BODY_BYTES,
      schema: { summary: 'Logs', body: LogBatch, response: answers(Empty) },
    },
    async ({ caller, body }) => {
      await logs.appendLogs({ source: 'agent', id: certifiedCaller(caller).id, batch: body.batch.map(logRecord) });
      return {};
    },
  );

  application.post(
    '/v1/agent/certificate',
    {
      config,
      schema: {
        summary: 'Renew the certificate',
        body: RenewCertificateRequest,
        response: answers(RenewCertificateAnswer),
      },
    },
    async ({ caller, body }) => {
      const { uri } = certifiedCaller(caller);
      const { certificatePem } = await registry.renewCertificate({ spiffeId: uri, csrPem: body.csrPem, dnsNames: [] });
      return { certificatePem };
    },
  );
}

function agentCommand(operation: Operation): AgentCommand {
  const kind = operationKindWords.requireRest(operation.kind);
  if (!isAgentKind(kind)) throw new LmsError('INTERNAL', `the registry sent an agent the task ${kind}`);
  const consistency = consistencyWords.toRest(operation.consistency);
  return {
    id: operation.operationId,
    kind,
    deadline: instant(operation.deadline),
    remainingSeconds: Math.max(0, ((operation.deadline?.getTime() ?? 0) - Date.now()) / 1_000),
    ...(consistency === null ? {} : { consistency }),
    ...(operation.traceparent === '' ? {} : { traceparent: operation.traceparent }),
  };
}

function isAgentKind(kind: OperationKind): kind is AgentCommandKind {
  return (AGENT_COMMAND_KINDS as readonly string[]).includes(kind);
}
