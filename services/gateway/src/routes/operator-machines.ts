/** Source machines, as operators see them. */
import {
  IdOrName,
  InitiationReport,
  Machine,
  MachinePage,
  OperationAccepted,
  PageQuery,
  Series,
  SeriesQuery,
} from '@lms/api';
import { LmsError, toLmsError } from '@lms/errors';
import {
  InitiationStep,
  OperationKind,
  StepState,
  wordOf,
  type InitiationStepReport,
  type Machine as ProtoMachine,
  type MachineStatus,
} from '@lms/proto';
import { activeTraceparent } from '@lms/telemetry';
import { z } from 'zod';
import { accepted, answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { machineAnswer } from '../translation/machine.ts';
import { seriesAnswer } from '../translation/statistics.ts';
import { optionalInstant, optionalText } from '../translation/values.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'operator' } as const;
const MachineParameters = z.object({ idOrName: IdOrName });
/** Samples of about an hour. */
const DEFAULT_SERIES_MILLISECONDS = 3_600_000;

export function addMachineRoutes(application: Application, { clients, logger }: RouteContext): void {
  const { registry, statistics, staging } = clients;

  async function requireMachine(idOrName: string): Promise<ProtoMachine> {
    const { machine } = await registry.getMachine({ idOrName });
    if (machine === undefined) throw new LmsError('INTERNAL', 'the registry sent no machine');
    return machine;
  }

  /** A machine is shown without its statistics rather than not at all. */
  async function statusesOf(machines: readonly ProtoMachine[]): Promise<ReadonlyMap<string, MachineStatus>> {
    if (machines.length === 0) return new Map();
    try {
      const machineIds = machines.map((machine) => machine.machineId);
      const { statuses } = await statistics.getMachineStatuses({ machineIds });
      return new Map(statuses.map((status) => [status.machineId, status]));
    } catch (thrown) {
      const error = toLmsError(thrown);
      logger.warn({ code: error.code }, `statistics are not known: ${error.message}`);
      return new Map();
    }
  }

  application.get(
    '/v1/machines',
    { config, schema: { summary: 'Machines, by name', querystring: PageQuery, response: answers(MachinePage) } },
    async ({ query }) => {
      const request = { pageSize: query.pageSize, pageToken: query.pageToken ?? '' };
      const { machines, nextPageToken } = await registry.listMachines(request);
      const statuses = await statusesOf(machines);
      return {
        machines: machines.map((machine) => machineAnswer(machine, statuses.get(machine.machineId) ?? null)),
        nextPageToken: optionalText(nextPageToken),
      };
    },
  );

  application.get(
    '/v1/machines/:idOrName',
    { config, schema: { summary: 'One machine', params: MachineParameters, response: answers(Machine) } },
    async ({ params }, reply) => {
      const machine = await requireMachine(params.idOrName);
      const statuses = await statusesOf([machine]);
      reply.header('etag', `"${machine.revision}"`);
      return machineAnswer(machine, statuses.get(machine.machineId) ?? null);
    },
  );

  for (const paused of [true, false]) {
    const action = paused ? 'pause' : 'resume';
    application.post(
      `/v1/machines/:idOrName/${action}`,
      {
        config,
        schema: { summary: `${action} replication`, params: MachineParameters, response: accepted(OperationAccepted) },
      },
      async ({ params }, reply) => {
        const { operation } = await registry.setMachinePaused({ idOrName: params.idOrName, paused });
        return reply.code(202).send({ operationId: operation?.operationId ?? '' });
      },
    );
  }

  application.post(
    '/v1/machines/:idOrName/rescan',
    {
      config,
      schema: { summary: 'Compare all by digest', params: MachineParameters, response: accepted(OperationAccepted) },
    },
    async ({ params }, reply) => {
      const { operation } = await registry.createOperation({
        idOrName: params.idOrName,
        kind: OperationKind.RESCAN,
        consistency: 0,
        sequence: 0n,
        diskId: '',
        timeoutSeconds: 0,
        traceparent: activeTraceparent() ?? '',
        idempotencyKey: '',
        checkpointId: '',
        offsetBytes: 0n,
        lengthBytes: 0n,
        replicationServer: '',
        check: undefined,
      });
      return reply.code(202).send({ operationId: operation?.operationId ?? '' });
    },
  );

  application.get(
    '/v1/machines/:idOrName/initiation',
    {
      config,
      schema: { summary: 'Initiation steps', params: MachineParameters, response: answers(InitiationReport) },
    },
    async ({ params }) => {
      const { machineId } = await requireMachine(params.idOrName);
      const { steps } = await staging.getInitiation({ machineId });
      return { steps: steps.flatMap(stepAnswer) };
    },
  );

  application.get(
    '/v1/machines/:idOrName/statistics',
    {
      config,
      schema: {
        summary: 'Statistics, oldest first',
        params: MachineParameters,
        querystring: SeriesQuery,
        response: answers(Series),
      },
    },
    async ({ params, query }) => {
      const { machineId } = await requireMachine(params.idOrName);
      const since = query.since === undefined ? Date.now() - DEFAULT_SERIES_MILLISECONDS : Date.parse(query.since);
      const { samples } = await statistics.getSeries({ machineId, since: new Date(since), limit: query.limit });
      return seriesAnswer(samples);
    },
  );
}

function stepAnswer(report: InitiationStepReport): InitiationReport['steps'] {
  const step = wordOf(InitiationStep, report.step);
  const state = wordOf(StepState, report.state);
  // A step of a newer version: what this gateway cannot name it does not show.
  if (step === null || state === null) return [];
  return [
    {
      step,
      state,
      error: optionalText(report.error),
      nextAttemptAt: optionalInstant(report.nextAttemptAt),
      changedAt: optionalInstant(report.changedAt),
    },
  ];
}
