/** A password for each user of NATS, by the user's name. One that is there is never changed: a service is using it. */
import { randomBytes } from 'node:crypto';
import { keep, write, type Decision, type SecretData } from './decision.ts';

const PASSWORD_BYTES = 32;

export function decidePasswords(existing: SecretData | null, users: readonly string[]): Decision {
  const missing = users.filter((user) => (existing?.[user] ?? '') === '');
  if (existing !== null && missing.length === 0) return keep(existing);
  const made = Object.fromEntries(missing.map((user) => [user, createPassword()]));
  return write(
    { ...existing, ...made },
    existing === null ? 'there was none' : `it had none for ${missing.join(', ')}`,
  );
}

/** nats-server reads it from its environment as a value of its configuration: a letter first, or it may be a number. */
function createPassword(): string {
  return `n${randomBytes(PASSWORD_BYTES).toString('hex')}`;
}
