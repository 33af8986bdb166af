/** The gateway's certificate on 443: from the registry, its key made here and kept in memory only. */
import { createCertificateRequest, createPrivateKeyPem, parseCertificate, renewalInstant } from '@lms/identity';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { toLmsError } from '@lms/errors';
import type { ServiceClients } from './manager-services.ts';

/** Renewal is due in weeks; a failure has as long to be mended. */
const CHECK_MILLISECONDS = 3_600_000;

export interface ServerCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export async function requestCertificate(
  { registry }: Pick<ServiceClients, 'registry'>,
  names: readonly string[],
): Promise<ServerCertificate> {
  const privateKeyPem = await createPrivateKeyPem();
  const csrPem = await createCertificateRequest(privateKeyPem);
  const { certificatePem } = await registry.issueGatewayCertificate({ csrPem, names: [...names] });
  return { certificatePem, privateKeyPem };
}

/** Until the signal: asks for another one when half of its life is over, and hands it to `install`. */
export async function keepRenewed(
  first: ServerCertificate,
  request: () => Promise<ServerCertificate>,
  install: (certificate: ServerCertificate) => void,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  let current = first;
  while (await pause(CHECK_MILLISECONDS, signal)) {
    if (new Date() < renewalInstant(parseCertificate(current.certificatePem))) continue;
    try {
      current = await request();
      install(current);
      logger.info('the certificate of 443 was renewed');
    } catch (thrown) {
      const error = toLmsError(thrown);
      logger.error({ code: error.code }, `the certificate of 443 was not renewed: ${error.message}`);
    }
  }
}
