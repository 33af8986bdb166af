/**
 * What an operator's command needs to reach this manager, as `lms manager` writes it on one host: `operator.json`. Beside
 * it the SHA-256 of its token, which is all that the registry is given.
 */
import { createHash, randomBytes } from 'node:crypto';
import { LmsError } from '@lms/errors';
import { z } from 'zod';
import { keep, requireKey, write, type Decision, type SecretData } from './decision.ts';

const CONTEXT_KEY = 'operator.json';
const DIGEST_KEY = 'token-sha256';
const TOKEN_BYTES = 32;

const CONTEXT = z.object({ managerUrl: z.url(), caPem: z.string(), apiToken: z.string().min(32) });

/** The token of before where there is one; address and CA are those of now. */
export function decideOperator(
  secret: string,
  existing: SecretData | null,
  now: { readonly managerUrl: string; readonly caPem: string },
): Decision {
  const before = existing === null ? null : readContext(secret, existing);
  const apiToken = before?.apiToken ?? randomBytes(TOKEN_BYTES).toString('base64url');
  const data = {
    [CONTEXT_KEY]: `${JSON.stringify({ ...now, apiToken }, null, 2)}\n`,
    [DIGEST_KEY]: createHash('sha256').update(apiToken).digest('hex'),
  };
  if (existing === null || before === null) return write(data, 'there was none');
  if (before.managerUrl !== now.managerUrl) return write(data, 'the address of the manager was another one');
  if (before.caPem !== now.caPem) return write(data, "the manager's CA was another one");
  return existing[DIGEST_KEY] === data[DIGEST_KEY] ? keep(existing) : write(data, 'its digest was another one');
}

function readContext(secret: string, data: SecretData): z.infer<typeof CONTEXT> {
  const text = requireKey(secret, data, CONTEXT_KEY);
  try {
    return CONTEXT.parse(JSON.parse(text));
  } catch (thrown) {
    throw new LmsError('FAILED_PRECONDITION', `Secret ${secret}: ${CONTEXT_KEY} is not an operator's context`, {
      field: `${secret}.${CONTEXT_KEY}`,
      action: 'Restore it from a copy; or delete the Secret, and a new token is made.',
      cause: thrown,
    });
  }
}
