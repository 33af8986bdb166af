import { LmsError } from '@lms/errors';
import { pause, readConfiguration } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { z } from 'zod';
import { loadCluster } from '../cluster/connection.ts';
import { Removal } from './removal.ts';

/** Pods have 30 s to end, and may have lost their node. */
const CONTROLLER_TIMEOUT_MILLISECONDS = 120_000;
const LOOK_EVERY_MILLISECONDS = 1_000;

const CONFIGURATION = z.object({
  LMS_NAMESPACE: z.string().min(1),
  LMS_INSTANCE: z.string().min(1),
  LMS_DELETE_STAGING_DATA: z.enum(['true', 'false']).default('false'),
  LMS_TLS_ROUTE_VERSION: z
    .string()
    .regex(/^[a-z0-9.]+\/v[a-z0-9]+$/, 'must be GROUP/VERSION')
    .optional(),
});

export async function runUninstall(logger: Logger, stopping: AbortSignal): Promise<void> {
  const configured = readConfiguration(CONFIGURATION, process.env);
  const removal = new Removal(await loadCluster(), {
    namespace: configured.LMS_NAMESPACE,
    instance: configured.LMS_INSTANCE,
    withData: configured.LMS_DELETE_STAGING_DATA === 'true',
    tlsRouteVersion: configured.LMS_TLS_ROUTE_VERSION ?? null,
  });
  const giveUpAt = Date.now() + CONTROLLER_TIMEOUT_MILLISECONDS;
  while (!(await removal.controllerIsGone())) {
    if (Date.now() > giveUpAt) {
      throw new LmsError('DEADLINE_EXCEEDED', 'staging-controller does not end, and would make anew what is removed', {
        action: 'Delete its pods, and run helm uninstall again.',
      });
    }
    if (!(await pause(LOOK_EVERY_MILLISECONDS, stopping))) stopping.throwIfAborted();
  }
  const { removed, kept } = await removal.run();
  for (const object of removed) logger.info({ object }, `removed ${object}`);
  for (const object of kept) logger.info({ object }, `kept ${object}`);
  logger.info({ removed: removed.length, kept: kept.length }, 'done');
}
