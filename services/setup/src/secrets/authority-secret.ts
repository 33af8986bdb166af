/**
 * A CA in a Secret, as services/registry reads it from a folder: `ca.pem`, `ca-key.pem`. It is made once and never
 * replaced: with another CA every agent would have to be enrolled anew, and that is a person's decision.
 */
import { LmsError, toLmsError } from '@lms/errors';
import { CertificateAuthority, parseCertificate } from '@lms/identity';
import { keep, requireKey, write, type Decision, type SecretData } from './decision.ts';

const CERTIFICATE_KEY = 'ca.pem';
const PRIVATE_KEY = 'ca-key.pem';

/** A year and more is what people need to plan a change of the CA. */
const WARN_BEFORE_END_MILLISECONDS = 400 * 86_400_000;

export async function decideAuthority(secret: string, existing: SecretData | null, now: Date): Promise<Decision> {
  if (existing !== null) {
    await openAuthority(secret, existing);
    return keep(existing);
  }
  const { certificatePem, privateKeyPem } = await CertificateAuthority.create(now);
  return write({ [CERTIFICATE_KEY]: certificatePem, [PRIVATE_KEY]: privateKeyPem }, 'there was none');
}

/** FAILED_PRECONDITION, with the Secret's name, when it holds no CA of this product. */
export async function openAuthority(secret: string, data: SecretData): Promise<CertificateAuthority> {
  const files = {
    certificatePem: requireKey(secret, data, CERTIFICATE_KEY),
    privateKeyPem: requireKey(secret, data, PRIVATE_KEY),
  };
  try {
    return await CertificateAuthority.open(files);
  } catch (thrown) {
    throw new LmsError('FAILED_PRECONDITION', `Secret ${secret}: ${toLmsError(thrown).message}`, {
      field: secret,
      action: `Restore ${CERTIFICATE_KEY} and ${PRIVATE_KEY} from a copy.`,
      cause: thrown,
    });
  }
}

/** One sentence when its end is near, or it is over; null: there is time. */
export function endOfAuthority(secret: string, { certificatePem }: CertificateAuthority, now: Date): string | null {
  const end = parseCertificate(certificatePem).validToDate;
  if (end.getTime() - now.getTime() > WARN_BEFORE_END_MILLISECONDS) return null;
  return `the CA in Secret ${secret} ends at ${end.toISOString()}: plan its replacement`;
}
