/** Checks of the network that an operator asks for, and the replication servers that can be asked. */
import {
  CheckMachineRequest,
  CheckReplicationServerRequest,
  IdOrName,
  OperationAccepted,
  PageQuery,
  ReplicationServerName,
  ReplicationServerPage,
  type CheckAddress,
} from '@lms/api';
import { toLmsError } from '@lms/errors';
import { OperationKind, type ReadyServer } from '@lms/proto';
import { activeTraceparent } from '@lms/telemetry';
import { z } from 'zod';
import { accepted, answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { instant, optionalText } from '../translation/values.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'operator' } as const;
/** Every step of a check is bounded; all of them together stay below. */
const CHECK_TIMEOUT_SECONDS = 100;

interface AskedCheck {
  readonly kind: OperationKind;
  readonly idOrName?: string;
  readonly replicationServer?: string;
  readonly target: string;
  readonly address?: CheckAddress | undefined;
}

export function addCheckRoutes(application: Application, { clients, logger }: RouteContext): void {
  const { registry, staging } = clients;

  async function ask({ kind, idOrName, replicationServer, target, address }: AskedCheck): Promise<OperationAccepted> {
    const { operation } = await registry.createOperation({
      idOrName: idOrName ?? '',
      kind,
      consistency: 0,
      sequence: 0n,
      diskId: '',
      timeoutSeconds: CHECK_TIMEOUT_SECONDS,
      traceparent: activeTraceparent() ?? '',
      idempotencyKey: '',
      checkpointId: '',
      offsetBytes: 0n,
      lengthBytes: 0n,
      replicationServer: replicationServer ?? '',
      check: {
        target,
        address: address === undefined ? undefined : { ...address, serverName: address.serverName ?? '' },
      },
    });
    return { operationId: operation?.operationId ?? '' };
  }

  /** Replication servers are listed without their addresses rather than not at all. */
  async function readyServers(): Promise<ReadonlyMap<string, ReadyServer>> {
    try {
      const { servers } = await staging.listReadyServers({});
      return new Map(servers.map((server) => [server.replicationServer, server]));
    } catch (thrown) {
      const error = toLmsError(thrown);
      logger.warn({ code: error.code }, `which replication servers are ready is not known: ${error.message}`);
      return new Map();
    }
  }

  application.post(
    '/v1/machines/:idOrName/checks',
    {
      config,
      schema: {
        summary: 'Have the agent check its way to 443 or 1500; the report comes with the operation',
        params: z.object({ idOrName: IdOrName }),
        body: CheckMachineRequest,
        response: accepted(OperationAccepted),
      },
    },
    async ({ params, body }, reply) => {
      const answer = await ask({ ...params, ...body, kind: OperationKind.CHECK_FROM_AGENT });
      return reply.code(202).header('location', `/v1/operations/${answer.operationId}`).send(answer);
    },
  );

  application.get(
    '/v1/replication-servers',
    {
      config,
      schema: {
        summary: 'Replication servers, by name',
        querystring: PageQuery,
        response: answers(ReplicationServerPage),
      },
    },
    async ({ query }) => {
      const request = { pageSize: query.pageSize, pageToken: query.pageToken ?? '' };
      const { replicationServers, nextPageToken } = await registry.listReplicationServers(request);
      const ready = await readyServers();
      return {
        replicationServers: replicationServers.map(({ name, version, enrolledAt }) => {
          const server = ready.get(name);
          const blockStream = server === undefined ? null : `${server.address}:${server.port}`;
          return { name, version, enrolledAt: instant(enrolledAt), blockStream };
        }),
        nextPageToken: optionalText(nextPageToken),
      };
    },
  );

  application.post(
    '/v1/replication-servers/:name/checks',
    {
      config,
      schema: {
        summary: 'Have a replication server check its way to the manager; the report comes with the operation',
        params: z.object({ name: ReplicationServerName }),
        body: CheckReplicationServerRequest,
        response: accepted(OperationAccepted),
      },
    },
    async ({ params, body }, reply) => {
      const kind = OperationKind.CHECK_FROM_REPLICATION_SERVER;
      const answer = await ask({ kind, replicationServer: params.name, target: body.target });
      return reply.code(202).header('location', `/v1/operations/${answer.operationId}`).send(answer);
    },
  );
}
