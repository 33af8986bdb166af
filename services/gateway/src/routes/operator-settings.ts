/** Replication Settings: for all machines, and for one. With `?dryRun=true` a change is told and not made. */
import {
  IdOrName,
  InstallationSettings,
  InstallationSettingsChange,
  MachineSettings,
  ReplicationSettingsChange,
  SettingsPreview,
  SettingsQuery,
  type PendingBlockStreamChange,
} from '@lms/api';
import { LmsError, toLmsError } from '@lms/errors';
import type { Machine, UpdateSettingsRequest } from '@lms/proto';
import { z } from 'zod';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { IF_MATCH_FIELD } from '../http/problem.ts';
import {
  bandwidthChange,
  installationSettings,
  machineSettings,
  pendingChange,
  settingsChange,
  stagingProxyChange,
} from '../translation/settings.ts';
import type { RouteContext } from './route-context.ts';
import { previewOf } from './settings-preview.ts';

const config = { access: 'operator' } as const;
const MachineParameters = z.object({ idOrName: IdOrName });
const IfMatch = z.object({
  'if-match': z
    .string()
    .regex(/^"\d{1,20}"$/)
    .optional(),
});

export function addSettingsRoutes(application: Application, { clients, logger }: RouteContext): void {
  const { registry, staging } = clients;

  /**
   * Of the settings that are shown: the staging-controller hears of a change a moment later than the registry. They are shown
   * without it rather than not at all; but then nobody may take it for done.
   */
  async function findPendingChange({ machineId, settings }: Machine): Promise<PendingBlockStreamChange | null> {
    try {
      const { pending } = await staging.getBlockStreamWays({ machineId, settings: settings?.blockStream });
      return pendingChange(pending);
    } catch (thrown) {
      const error = toLmsError(thrown);
      logger.warn({ code: error.code, machineId }, `which addresses its agent is told is not known: ${error.message}`);
      const reason = `Whether the agent is told these addresses is not known now: ${error.message}`;
      return { since: new Date().toISOString(), reason, nextCheckAt: null };
    }
  }

  application.get(
    '/v1/settings',
    { config, schema: { summary: 'Replication Settings of all machines', response: answers(InstallationSettings) } },
    async (_request, reply) => {
      const settings = installationSettings(await registry.getSettings({}));
      reply.header('etag', `"${settings.revision}"`);
      return settings;
    },
  );

  application.patch(
    '/v1/settings',
    {
      config,
      schema: {
        summary: 'Change the Replication Settings of all machines',
        querystring: SettingsQuery,
        body: InstallationSettingsChange,
        headers: IfMatch,
        response: answers(z.union([InstallationSettings, SettingsPreview])),
      },
    },
    async ({ body, headers, query }, reply) => {
      if (query.dryRun === 'true') return previewOf(clients, '', body);
      const update = updateOf(body, headers['if-match']);
      const { settings } = await whenMatching(headers['if-match'], registry.updateSettings(update));
      const changed = installationSettings(settings);
      reply.header('etag', `"${changed.revision}"`);
      return changed;
    },
  );

  application.get(
    '/v1/machines/:idOrName/settings',
    {
      config,
      schema: { summary: 'Replication Settings', params: MachineParameters, response: answers(MachineSettings) },
    },
    async ({ params }, reply) => {
      const { machine } = await registry.getMachine({ idOrName: params.idOrName });
      if (machine === undefined) throw new LmsError('INTERNAL', 'the registry sent no machine');
      const settings = machineSettings(machine, await findPendingChange(machine));
      reply.header('etag', `"${settings.revision}"`);
      return settings;
    },
  );

  application.patch(
    '/v1/machines/:idOrName/settings',
    {
      config,
      schema: {
        summary: 'Change Replication Settings',
        params: MachineParameters,
        querystring: SettingsQuery,
        body: ReplicationSettingsChange,
        headers: IfMatch,
        response: answers(z.union([MachineSettings, SettingsPreview])),
      },
    },
    async ({ params, body, headers, query }, reply) => {
      if (query.dryRun === 'true') return previewOf(clients, params.idOrName, body);
      const expected = revisionOf(headers['if-match']);
      const { machine } = await whenMatching(
        headers['if-match'],
        registry.updateMachineSettings({
          idOrName: params.idOrName,
          change: settingsChange(body),
          ...(expected === undefined ? {} : { expectedOverridesRevision: expected }),
        }),
      );
      if (machine === undefined) throw new LmsError('INTERNAL', 'the registry sent no machine');
      const settings = machineSettings(machine, await findPendingChange(machine));
      reply.header('etag', `"${settings.revision}"`);
      return settings;
    },
  );
}

function updateOf(body: InstallationSettingsChange, ifMatch: string | undefined): UpdateSettingsRequest {
  const { stagingProxy, replicationServerBandwidth, ...defaults } = body;
  const expected = revisionOf(ifMatch);
  return {
    defaults: Object.keys(defaults).length === 0 ? undefined : settingsChange(defaults),
    stagingProxy: stagingProxy === null || stagingProxy === undefined ? undefined : stagingProxyChange(stagingProxy),
    removeStagingProxy: stagingProxy === null,
    replicationServerBandwidth:
      replicationServerBandwidth === null || replicationServerBandwidth === undefined
        ? undefined
        : bandwidthChange(replicationServerBandwidth),
    removeReplicationServerBandwidth: replicationServerBandwidth === null,
    ...(expected === undefined ? {} : { expectedRevision: expected }),
  };
}

function revisionOf(ifMatch: string | undefined): bigint | undefined {
  return ifMatch === undefined ? undefined : BigInt(ifMatch.slice(1, -1));
}

/** The registry compares; that it was the request's own condition, HTTP has a status for. */
async function whenMatching<Answer>(ifMatch: string | undefined, call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (thrown) {
    const error = toLmsError(thrown);
    if (ifMatch === undefined || error.code !== 'ABORTED') throw error;
    throw new LmsError('ABORTED', error.message, { field: IF_MATCH_FIELD, action: 'read it again and repeat' });
  }
}
