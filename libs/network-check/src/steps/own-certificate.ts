/** Whether the own certificate can be accepted at all; found out before it is shown to anybody. No I/O. */
import { parseCertificate } from '@lms/identity';
import { StepFailure } from '../report/step-failure.ts';

/** Until when it is in force. */
export function requireInForce(certificatePem: string, now: Date): string {
  const { validFromDate, validToDate } = parseCertificate(certificatePem);
  if (now > validToDate) {
    throw new StepFailure('CERTIFICATE_EXPIRED', `the own certificate expired at ${validToDate.toISOString()}`);
  }
  if (now < validFromDate) {
    const from = validFromDate.toISOString();
    throw new StepFailure('CERTIFICATE_EXPIRED', `the own certificate is in force from ${from} on; here it is earlier`);
  }
  return validToDate.toISOString();
}
