import { expect, test } from '@jest/globals';
import { TokenPurpose } from '@lms/proto';
import {
  createSecret,
  redeemed,
  refusalOf,
  secretDigest,
  tokenIdOf,
  tokenMessage,
  type StoredToken,
} from './token-rules.ts';

const now = new Date('2026-11-23T12:00:00Z');
const secret = createSecret(TokenPurpose.MACHINE);
const digest = secretDigest(secret);

function token(change: Partial<StoredToken> = {}): StoredToken {
  return {
    secretSha256: digest,
    name: 'n',
    purpose: TokenPurpose.MACHINE,
    uses: 2,
    usesLeft: 2,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + 1_000).toISOString(),
    revoked: false,
    dnsNames: [],
    ...change,
  };
}

const refusal = (stored: StoredToken | null, at = now, of = digest): string | null =>
  refusalOf(stored, of, TokenPurpose.MACHINE, at);

test('a secret has 256 random bits, and nothing of it is in what is kept or shown', () => {
  expect(Buffer.from(secret.replace('lms_join_', ''), 'base64url')).toHaveLength(32);
  expect(createSecret(TokenPurpose.MACHINE)).not.toBe(secret);
  const kept = JSON.stringify([token(), tokenMessage(tokenIdOf(digest), token())]);
  expect(kept).not.toContain(secret.slice(9, 20));
});

test('a token is accepted until the instant at which it expires', () => {
  expect(refusal(token(), new Date(now.getTime() + 999))).toBeNull();
  expect(refusal(token(), new Date(now.getTime() + 1_000))).toMatch('expired');
});

test('a token that is unknown, revoked, used up, of another purpose or of another secret is refused', () => {
  expect(refusal(null)).toMatch('not known');
  expect(refusal(token({ revoked: true }))).toMatch('revoked');
  expect(refusal(token({ usesLeft: 0 }))).toMatch('used 2 times');
  expect(refusal(token({ uses: 1, usesLeft: 0 }))).toBe('was used');
  expect(refusal(token({ purpose: TokenPurpose.OPERATOR }))).toMatch('not known');
  expect(refusal(token(), now, secretDigest('another'))).toMatch('not known');
});

test('each redemption takes one use and the one after the last is refused', () => {
  const once = redeemed(token(), digest, TokenPurpose.MACHINE, now);
  const twice = redeemed(once, digest, TokenPurpose.MACHINE, now);
  expect([once.usesLeft, twice.usesLeft]).toEqual([1, 0]);
  expect(() => redeemed(twice, digest, TokenPurpose.MACHINE, now)).toThrow('was used 2 times');
});
