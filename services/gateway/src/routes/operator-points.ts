/** Points in time: made, listed, verified, pinned, deleted; and what became of each such request. */
import {
  CreatePointRequest,
  IdOrName,
  MAXIMUM_OPERATION_TIMEOUT_SECONDS,
  Operation,
  OperationAccepted,
  OperationId,
  PageQuery,
  PointPage,
  SequenceParameter,
  WaitSeconds,
} from '@lms/api';
import { LmsError } from '@lms/errors';
import { Consistency, OperationKind } from '@lms/proto';
import { activeTraceparent } from '@lms/telemetry';
import { z } from 'zod';
import { accepted, answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { operationAnswer } from '../translation/operation.ts';
import { pointAnswer } from '../translation/point.ts';
import { optionalText } from '../translation/values.ts';
import { consistencyWords } from '../translation/words.ts';
import { longPoll } from './long-poll.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'operator' } as const;
const MachineParameters = z.object({ idOrName: IdOrName });
const PointParameters = MachineParameters.extend({ sequence: SequenceParameter });
const IdempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable characters')
    .optional(),
});

/** A replication server that is being started needs a while; the pin itself takes two fsyncs. */
const PIN_TIMEOUT_SECONDS = 300;

interface PointOperation {
  readonly idOrName: string;
  readonly kind: OperationKind;
  readonly consistency?: Consistency;
  readonly sequence?: number;
  readonly timeoutSeconds: number;
  readonly idempotencyKey?: string | undefined;
}

export function addPointRoutes(application: Application, context: RouteContext): void {
  const { clients, stopping } = context;
  const { registry } = clients;

  async function createOperation(request: PointOperation): Promise<OperationAccepted> {
    const { operation } = await registry.createOperation({
      idOrName: request.idOrName,
      kind: request.kind,
      consistency: request.consistency ?? Consistency.UNSPECIFIED,
      sequence: BigInt(request.sequence ?? 0),
      diskId: '',
      timeoutSeconds: request.timeoutSeconds,
      traceparent: activeTraceparent() ?? '',
      idempotencyKey: request.idempotencyKey ?? '',
      checkpointId: '',
      offsetBytes: 0n,
      lengthBytes: 0n,
      replicationServer: '',
      check: undefined,
    });
    if (operation === undefined) throw new LmsError('INTERNAL', 'the registry made no operation');
    return { operationId: operation.operationId };
  }

  application.post(
    '/v1/machines/:idOrName/points',
    {
      config,
      schema: {
        summary: 'Ask for a point in time',
        params: MachineParameters,
        headers: IdempotencyHeaders,
        body: CreatePointRequest,
        response: accepted(OperationAccepted),
      },
    },
    async ({ params, headers, body }, reply) => {
      const answer = await createOperation({
        idOrName: params.idOrName,
        kind: OperationKind.CREATE_POINT,
        consistency: consistencyWords.toProto(body.consistency),
        timeoutSeconds: body.timeoutSeconds,
        idempotencyKey: headers['idempotency-key'],
      });
      return reply.code(202).header('location', `/v1/operations/${answer.operationId}`).send(answer);
    },
  );

  application.get(
    '/v1/machines/:idOrName/points',
    {
      config,
      schema: {
        summary: 'Points in time, oldest first',
        params: MachineParameters,
        querystring: PageQuery,
        response: answers(PointPage),
      },
    },
    async ({ params, query }) => {
      const { points, nextPageToken } = await registry.listPoints({
        idOrName: params.idOrName,
        pageSize: query.pageSize,
        pageToken: query.pageToken ?? '',
      });
      return { points: points.map(pointAnswer), nextPageToken: optionalText(nextPageToken) };
    },
  );

  application.delete(
    '/v1/machines/:idOrName/points/:sequence',
    {
      config,
      schema: { summary: 'Delete a point', params: PointParameters, response: accepted(OperationAccepted) },
    },
    async ({ params }, reply) =>
      reply.code(202).send(await createOperation({ ...params, kind: OperationKind.DELETE_POINT, timeoutSeconds: 600 })),
  );

  application.post(
    '/v1/machines/:idOrName/points/:sequence/verify',
    {
      config,
      schema: {
        summary: 'Check every stored block against its digest',
        params: PointParameters,
        response: accepted(OperationAccepted),
      },
    },
    async ({ params }, reply) => {
      const timeoutSeconds = MAXIMUM_OPERATION_TIMEOUT_SECONDS;
      const answer = await createOperation({ ...params, kind: OperationKind.VERIFY_POINT, timeoutSeconds });
      return reply.code(202).send(answer);
    },
  );

  for (const [action, kind, summary] of [
    ['pin', OperationKind.PIN_POINT, 'Keep a point, whatever retention says'],
    ['unpin', OperationKind.UNPIN_POINT, 'Leave a point to retention again'],
  ] as const) {
    application.post(
      `/v1/machines/:idOrName/points/:sequence/${action}`,
      { config, schema: { summary, params: PointParameters, response: accepted(OperationAccepted) } },
      async ({ params }, reply) =>
        reply.code(202).send(await createOperation({ ...params, kind, timeoutSeconds: PIN_TIMEOUT_SECONDS })),
    );
  }

  application.get(
    '/v1/operations/:operationId',
    {
      config,
      schema: {
        summary: 'What became of a request',
        params: z.object({ operationId: OperationId }),
        querystring: z.strictObject({ wait: WaitSeconds }),
        response: answers(Operation),
      },
    },
    async ({ params, query }, reply) => {
      const { waitMilliseconds, settings } = longPoll(query.wait, reply, stopping);
      const { operation, point } = await registry.getOperation({ ...params, waitMilliseconds }, settings);
      if (operation === undefined) throw new LmsError('INTERNAL', 'the registry sent no operation');
      return operationAnswer(operation, point);
    },
  );
}
