/**
 * Removing a machine, and the list that proves it. The registry's record is the removal; from it staging-controller hears
 * of it whatever becomes of this request, which asks for it at once only so that the answer can say what there is.
 */
import {
  IdOrName,
  MachineId,
  MachineRemoval,
  StagingObjectPage,
  StagingObjectsQuery,
  type StagingObject as StagingObjectAnswer,
} from '@lms/api';
import { LmsError, toLmsError } from '@lms/errors';
import type { RemoveMachineResponse, StagingObject } from '@lms/proto';
import { z } from 'zod';
import type { Caller } from '../access/caller.ts';
import { accepted, answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { IF_MATCH_FIELD } from '../http/problem.ts';
import { instant, optionalText } from '../translation/values.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'operator' } as const;
const MachineParameters = z.object({ idOrName: IdOrName });
const ConditionHeaders = z.object({
  'if-match': z
    .string()
    .regex(/^"\d{1,20}"$/)
    .optional(),
});

export function addRemovalRoutes(application: Application, { clients, logger }: RouteContext): void {
  const { registry, staging } = clients;

  application.delete(
    '/v1/machines/:idOrName',
    {
      config,
      schema: {
        summary: 'Remove a machine for good: its replica, its points, its record; safe to repeat',
        params: MachineParameters,
        headers: ConditionHeaders,
        response: accepted(MachineRemoval),
      },
    },
    async ({ params, headers, caller }, reply) => {
      const expectedRevision = BigInt(headers['if-match']?.replaceAll('"', '') ?? 0);
      const { machine, repeated } = await removeMachine(params.idOrName, expectedRevision);
      if (machine === undefined) throw new LmsError('INTERNAL', 'the registry sent no removed machine');
      const { machineId, name } = machine;
      logger.info(
        { audit: 'machine.remove', machineId, name, repeated, ...operatorOf(caller) },
        'an operator removed a machine',
      );
      const { objects } = await staging.removeStaging({ machineId, unknownToo: true });
      return reply.code(202).send({
        machineId,
        name: optionalText(name),
        removedAt: instant(machine.removedAt),
        repeated,
        objects: objects.map(objectAnswer),
      });
    },
  );

  async function removeMachine(idOrName: string, expectedRevision: bigint): Promise<RemoveMachineResponse> {
    try {
      return await registry.removeMachine({ idOrName, expectedRevision, orphan: false });
    } catch (thrown) {
      const error = toLmsError(thrown);
      if (error.code === 'ABORTED' && expectedRevision !== 0n) {
        throw new LmsError('ABORTED', error.message, { field: IF_MATCH_FIELD, action: 'read it again and repeat' });
      }
      // An orphan: the registry lost its state, the agent never came back, and only the staging area has it.
      if (error.code !== 'NOT_FOUND' || (await objectsOf(idOrName)).length === 0) throw error;
      return registry.removeMachine({ idOrName, expectedRevision: 0n, orphan: true });
    }
  }

  async function objectsOf(idOrName: string): Promise<readonly StagingObject[]> {
    return MachineId.safeParse(idOrName).success ? listObjects(idOrName) : [];
  }

  /** By machine, kind and name. Of all machines it is some ten thousand lines at most. */
  async function listObjects(machineId: string): Promise<readonly StagingObject[]> {
    const objects: StagingObject[] = [];
    for await (const part of staging.listStagingObjects({ machineId })) objects.push(...part.objects);
    return objects;
  }

  application.get(
    '/v1/staging-objects',
    {
      config,
      schema: {
        summary: 'What there is in the staging area, of one machine or of all',
        querystring: StagingObjectsQuery,
        response: answers(StagingObjectPage),
      },
    },
    async ({ query }) => {
      const objects = await listObjects(query.machineId ?? '');
      return pageOf(objects.map(objectAnswer), query.pageSize, query.pageToken ?? '');
    },
  );
}

function pageOf(objects: readonly StagingObjectAnswer[], pageSize: number, pageToken: string): StagingObjectPage {
  const keyOf = ({ machineId, kind, name }: StagingObjectAnswer): string => `${machineId ?? ''} ${kind} ${name}`;
  const after = Buffer.from(pageToken, 'base64url').toString('utf8');
  const rest = objects.filter((object) => keyOf(object) > after);
  const page = rest.slice(0, pageSize);
  const last = page.at(-1);
  const more = rest.length > page.length && last !== undefined;
  return { objects: page, nextPageToken: more ? Buffer.from(keyOf(last)).toString('base64url') : null };
}

function objectAnswer({ machineId, kind, name, removing }: StagingObject): StagingObjectAnswer {
  return { machineId: optionalText(machineId), kind, name, removing };
}

function operatorOf(caller: Caller): { readonly operator?: string; readonly tokenId?: string } {
  return caller.kind === 'operator' ? { operator: caller.name, tokenId: caller.tokenId } : {};
}
