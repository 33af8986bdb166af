import type { ReplicationServerApi } from '@lms/api';
import type { BlockStreamListener } from '@lms/block-stream';
import { toLmsError } from '@lms/errors';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { ServerIdentity } from './server-identity.ts';

/** How often the clock is looked at: clocks jump, and timers of days do not notice. */
const LOOK_EVERY_MILLISECONDS = 60_000;

/** Renews the certificate from half of its life on, until the signal. New connections get the new one. */
export async function keepCertificate(
  identity: ServerIdentity,
  api: ReplicationServerApi,
  listener: BlockStreamListener,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  do {
    if (new Date() < identity.renewalInstant()) continue;
    try {
      await identity.renew(api, signal);
      const { caPem: ca, privateKeyPem: key, certificatePem: cert } = identity;
      listener.updateCertificates({ ca, key, cert });
      logger.info('certificate renewed');
    } catch (thrown) {
      if (signal.aborted) return;
      logger.warn({ reason: toLmsError(thrown).message }, 'certificate not renewed yet');
    }
  } while (await pause(LOOK_EVERY_MILLISECONDS, signal));
}
