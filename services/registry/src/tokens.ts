/** Join tokens and operators' API tokens. */
import { LmsError } from '@lms/errors';
import { TokenPurpose, type CreateTokenRequest, type ListTokensRequest, type Token } from '@lms/proto';
import { KeyedQueue } from './keyed-queue.ts';
import { pageOf, type Page } from './paging.ts';
import type { RegistryStore } from './store.ts';
import {
  createSecret,
  redeemed,
  refusalOf,
  secretDigest,
  tokenIdOf,
  tokenMessage,
  tokenRefused,
  type StoredToken,
} from './token-rules.ts';

/** Join tokens that are over stay in the list for a week, for who asks what became of them. */
const KEEP_EXPIRED_MILLISECONDS = 7 * 86_400_000;
/** Tokens that are valid at the same time; more is a script that went wrong. */
const MAXIMUM_TOKENS = 10_000;
const DEFAULT_EXPIRY_SECONDS = 3_600;
const LONGEST_EXPIRY_SECONDS = 31 * 86_400;

export class Tokens {
  readonly #bucket: RegistryStore['tokens'];
  readonly #queue = new KeyedQueue();

  constructor(bucket: RegistryStore['tokens']) {
    this.#bucket = bucket;
  }

  async create(request: CreateTokenRequest, now: Date): Promise<{ token: Token; secret: string }> {
    const { purpose, name, dnsNames } = request;
    if (purpose !== TokenPurpose.MACHINE && purpose !== TokenPurpose.REPLICATION_SERVER) {
      throw new LmsError('INVALID_ARGUMENT', 'a join token is for machines or for replication servers', {
        field: 'purpose',
      });
    }
    if (request.expiresInSeconds > LONGEST_EXPIRY_SECONDS) {
      throw new LmsError('INVALID_ARGUMENT', 'a join token expires after 31 days at most', {
        field: 'expiresInSeconds',
      });
    }
    if (this.#bucket.size >= MAXIMUM_TOKENS) {
      throw new LmsError('RESOURCE_EXHAUSTED', `there are ${this.#bucket.size} tokens already`, {
        action: 'revoke those that are not needed; expired ones go by themselves after a week',
      });
    }
    const secret = createSecret(purpose);
    const uses = Math.max(1, request.uses);
    const expiresInSeconds = request.expiresInSeconds || DEFAULT_EXPIRY_SECONDS;
    const stored: StoredToken = {
      secretSha256: secretDigest(secret),
      name,
      purpose,
      uses,
      usesLeft: uses,
      createdAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + expiresInSeconds * 1_000).toISOString(),
      revoked: false,
      dnsNames,
    };
    const tokenId = tokenIdOf(stored.secretSha256);
    await this.#bucket.create(tokenId, stored);
    return { token: tokenMessage(tokenId, stored), secret };
  }

  list(request: ListTokensRequest): Page<Token> {
    const wanted = request.purpose === TokenPurpose.UNSPECIFIED ? TokenPurpose.MACHINE : request.purpose;
    const tokens = this.#bucket
      .entries()
      .filter((entry) => entry.value.purpose === wanted)
      .map((entry) => tokenMessage(entry.key, entry.value));
    return pageOf(tokens, (token) => token.tokenId, request);
  }

  async revoke(tokenId: string): Promise<Token> {
    const entry = await this.#bucket.modify(tokenId, (current) => {
      if (current === null || current.purpose === TokenPurpose.OPERATOR) throw unknownToken(tokenId);
      return current.revoked ? current : { ...current, revoked: true };
    });
    return tokenMessage(tokenId, entry.value);
  }

  /** Refuses a token that is seen to be no good, before any work is done for it. Proves nothing: `redeem` decides. */
  async check(secret: string, purpose: TokenPurpose, now: Date): Promise<void> {
    const digest = secretDigest(secret);
    const known = await this.#bucket.find(tokenIdOf(digest));
    const refusal = refusalOf(known?.value ?? null, digest, purpose, now);
    if (refusal !== null) throw tokenRefused(refusal);
  }

  /** Takes one use, by compare-and-set: of any number at the same time, exactly as many win as there are uses. */
  redeem(secret: string, purpose: TokenPurpose, now: Date): Promise<StoredToken> {
    const digest = secretDigest(secret);
    const tokenId = tokenIdOf(digest);
    return this.#queue.run(tokenId, async () => {
      const entry = await this.#bucket.modify(tokenId, (current) => redeemed(current, digest, purpose, now));
      return entry.value;
    });
  }

  /** Gives a use back when what it was taken for could not be done. */
  async giveBack(secret: string): Promise<void> {
    const tokenId = tokenIdOf(secretDigest(secret));
    await this.#queue.run(tokenId, () =>
      this.#bucket.modify(tokenId, (current) => {
        if (current === null) throw unknownToken(tokenId);
        return { ...current, usesLeft: Math.min(current.uses, current.usesLeft + 1) };
      }),
    );
  }

  async ensureOperator(secretSha256: string, name: string, now: Date): Promise<string> {
    if (!/^[0-9a-f]{64}$/.test(secretSha256)) {
      throw new LmsError('INVALID_ARGUMENT', 'the digest of the token is not 64 hexadecimal digits', {
        field: 'secretSha256',
      });
    }
    const tokenId = tokenIdOf(secretSha256);
    await this.#bucket.modify(
      tokenId,
      (current) =>
        current ?? {
          secretSha256,
          name,
          purpose: TokenPurpose.OPERATOR,
          uses: 0,
          usesLeft: 0,
          createdAt: now.toISOString(),
          expiresAt: null,
          revoked: false,
          dnsNames: [],
        },
    );
    return tokenId;
  }

  authenticateOperator(secret: string, now: Date): { tokenId: string; name: string } {
    const digest = secretDigest(secret);
    const tokenId = tokenIdOf(digest);
    const token = this.#bucket.get(tokenId)?.value ?? null;
    const refusal = refusalOf(token, digest, TokenPurpose.OPERATOR, now);
    if (token === null || refusal !== null) {
      throw new LmsError('UNAUTHENTICATED', `the API token ${refusal ?? 'is not known'}`, {
        action: "use the token of this manager's operator.json",
      });
    }
    return { tokenId, name: token.name };
  }

  /** Forgets what expired long ago. A race with another registry is nobody's loss. */
  async sweep(now: Date): Promise<void> {
    for (const { key, value, revision } of this.#bucket.entries()) {
      if (value.expiresAt === null || now.getTime() - Date.parse(value.expiresAt) < KEEP_EXPIRED_MILLISECONDS) continue;
      await this.#bucket.delete(key, revision);
    }
  }
}

function unknownToken(tokenId: string): LmsError {
  return new LmsError('NOT_FOUND', `there is no token ${tokenId}`, { field: 'id', action: 'see `lms token list`' });
}
