/** What becomes of one Secret: it stays as it is, or its content is replaced, and why. */
import { LmsError } from '@lms/errors';

/** By key; text, since all that we store is. */
export type SecretData = Readonly<Record<string, string>>;

export type SecretType = 'Opaque' | 'kubernetes.io/tls';

export type Decision =
  | { readonly kind: 'keep'; readonly data: SecretData }
  | { readonly kind: 'write'; readonly data: SecretData; readonly why: string };

export function keep(data: SecretData): Decision {
  return { kind: 'keep', data };
}

export function write(data: SecretData, why: string): Decision {
  return { kind: 'write', data, why };
}

/** FAILED_PRECONDITION: what is there is not ours to guess at, and to replace it would lose what nobody can make again. */
export function requireKey(secret: string, data: SecretData, key: string): string {
  const value = data[key];
  if (value !== undefined && value !== '') return value;
  throw new LmsError('FAILED_PRECONDITION', `Secret ${secret} has no ${key}`, {
    field: `${secret}.${key}`,
    action: `Put ${key} into it again, from a copy; or delete the Secret, and a new one is made.`,
  });
}
