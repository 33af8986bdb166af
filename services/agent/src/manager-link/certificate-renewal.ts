/**
 * The certificate in use, renewed when half of its life is over: so the manager may be away for the other half. The key
 * stays; a certificate takes effect at the next connection.
 */
import type { AgentApi } from '@lms/api';
import { toLmsError } from '@lms/errors';
import { createCertificateRequest, parseCertificate, renewalInstant } from '@lms/identity';
import { BackOff, pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';

/** Asked often rather than slept for: clocks are set, and machines sleep. */
const CHECK_MILLISECONDS = 30_000;
const RETRY = { firstMilliseconds: 10_000, longestMilliseconds: 600_000 };

export class CertificateHolder {
  #pem: string;

  constructor(pem: string) {
    this.#pem = pem;
  }

  get pem(): string {
    return this.#pem;
  }

  get expiresAt(): Date {
    return parseCertificate(this.#pem).validToDate;
  }

  get renewAt(): Date {
    return renewalInstant(parseCertificate(this.#pem));
  }

  replace(pem: string): void {
    this.#pem = pem;
  }
}

export interface RenewalParts {
  readonly api: AgentApi;
  readonly holder: CertificateHolder;
  readonly privateKeyPem: string;
  /** Makes it durable. */
  readonly save: (certificatePem: string) => Promise<void>;
  readonly logger: Logger;
}

/** Until the signal aborts. Never rejects. */
export async function keepCertificate(parts: RenewalParts, signal: AbortSignal): Promise<void> {
  const backOff = new BackOff(RETRY);
  let waitMilliseconds = 0;
  while (await pause(waitMilliseconds, signal)) {
    waitMilliseconds = CHECK_MILLISECONDS;
    if (Date.now() < parts.holder.renewAt.getTime()) continue;
    try {
      const csrPem = await createCertificateRequest(parts.privateKeyPem);
      const { certificatePem } = await parts.api.renewCertificate(csrPem, signal);
      // In use only once it is saved: a restart must not find an older one than the manager knows of.
      await parts.save(certificatePem);
      parts.holder.replace(certificatePem);
      backOff.succeeded();
      parts.logger.info({ expiresAt: parts.holder.expiresAt.toISOString() }, 'the certificate was renewed');
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toLmsError(thrown);
      const { expiresAt } = parts.holder;
      const expired = expiresAt.getTime() < Date.now();
      const what = expired ? 'the certificate has expired' : 'the certificate could not be renewed';
      parts.logger.warn({ expiresAt: expiresAt.toISOString(), action: error.action }, `${what}: ${error.message}`);
      waitMilliseconds = backOff.failed();
    }
  }
}
