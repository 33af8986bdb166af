/** What a token is and when it is accepted. No I/O. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { LmsError } from '@lms/errors';
import { TokenPurpose, type Token } from '@lms/proto';
import { z } from 'zod';

const SECRET_BYTES = 32;
/** Enough that two tokens never share one; the full digest is compared all the same. */
const ID_LENGTH = 20;
const PREFIX_OF_PURPOSE: Readonly<Record<TokenPurpose, string>> = {
  [TokenPurpose.MACHINE]: 'lms_join_',
  [TokenPurpose.REPLICATION_SERVER]: 'lms_server_',
  [TokenPurpose.OPERATOR]: 'lms_api_',
  [TokenPurpose.UNSPECIFIED]: 'lms_',
  [TokenPurpose.UNRECOGNIZED]: 'lms_',
};

export const StoredToken = z.object({
  /** Hex, of the secret, which is kept nowhere. */
  secretSha256: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  purpose: z.union([
    z.literal(TokenPurpose.MACHINE),
    z.literal(TokenPurpose.REPLICATION_SERVER),
    z.literal(TokenPurpose.OPERATOR),
  ]),
  /** Of an operator's token: 0, it is used without end. */
  uses: z.int().nonnegative(),
  usesLeft: z.int().nonnegative(),
  createdAt: z.iso.datetime(),
  /** null: never. */
  expiresAt: z.iso.datetime().nullable(),
  revoked: z.boolean(),
  /** For the certificates of replication servers. */
  dnsNames: z.array(z.string()),
});
export type StoredToken = z.infer<typeof StoredToken>;

/** The prefix lets a person, and a scanner for leaked secrets, see what it is. */
export function createSecret(purpose: TokenPurpose): string {
  return PREFIX_OF_PURPOSE[purpose] + randomBytes(SECRET_BYTES).toString('base64url');
}

export function secretDigest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** The id follows from the secret's digest, so that a token is found without looking at all of them. */
export function tokenIdOf(secretSha256: string): string {
  return secretSha256.slice(0, ID_LENGTH);
}

/** What stands in the way of using it; null when nothing does. */
export function refusalOf(
  token: StoredToken | null,
  secretSha256: string,
  purpose: TokenPurpose,
  now: Date,
): string | null {
  if (token === null || token.purpose !== purpose) return 'is not known';
  if (!timingSafeEqual(Buffer.from(token.secretSha256, 'hex'), Buffer.from(secretSha256, 'hex'))) return 'is not known';
  if (token.revoked) return 'was revoked';
  if (token.expiresAt !== null && now.getTime() >= Date.parse(token.expiresAt)) return `expired at ${token.expiresAt}`;
  if (token.uses > 0 && token.usesLeft === 0) return token.uses === 1 ? 'was used' : `was used ${token.uses} times`;
  return null;
}

export function tokenRefused(why: string): LmsError {
  return new LmsError('UNAUTHENTICATED', `the join token ${why}`, {
    field: 'token',
    action: 'make a new one with `lms token create`',
  });
}

/** With one use less; UNAUTHENTICATED when it is not accepted. */
export function redeemed(
  token: StoredToken | null,
  secretSha256: string,
  purpose: TokenPurpose,
  now: Date,
): StoredToken {
  const refusal = refusalOf(token, secretSha256, purpose, now);
  if (token === null || refusal !== null) throw tokenRefused(refusal ?? 'is not known');
  return { ...token, usesLeft: token.usesLeft - 1 };
}

export function tokenMessage(tokenId: string, token: StoredToken): Token {
  return {
    tokenId,
    name: token.name,
    purpose: token.purpose,
    uses: token.uses,
    usesLeft: token.usesLeft,
    createdAt: new Date(token.createdAt),
    expiresAt: token.expiresAt === null ? undefined : new Date(token.expiresAt),
    revoked: token.revoked,
  };
}
