/** From a request's `Authorization` to its caller. */
import { createHash } from 'node:crypto';
import { LmsError } from '@lms/errors';
import type { ServiceClients } from '../manager-services.ts';
import { looksLikeAccessToken, verifyAccessToken, type AccessTokenKey } from './access-token.ts';
import type { Access, Caller } from './caller.ts';

/** An API token is 52 characters, an access token some hundred. */
const MAXIMUM_TOKEN_LENGTH = 4_096;
/** Operators that this gateway has let in; those who came least lately are forgotten. */
const MAXIMUM_REMEMBERED = 1_000;

type Operator = Extract<Caller, { readonly kind: 'operator' }>;

export interface AccessRequest {
  readonly access: Access;
  readonly authorization: string | undefined;
  /** Of a console's session, when there is one and no `authorization`: the API token of its cookie. */
  readonly sessionToken: string | null;
  /**
   * Whether an operator who was let in before is let in again while the registry, which checks API tokens, is away. Only
   * for what shows that it is away: the downside is a token that was revoked just then.
   */
  readonly withoutRegistry: boolean;
}

export class Authentication {
  readonly #registry: Pick<ServiceClients['registry'], 'authenticateOperator'>;
  readonly #key: AccessTokenKey;
  /** By the SHA-256 of their token. */
  readonly #remembered = new Map<string, Operator>();

  constructor(registry: Pick<ServiceClients['registry'], 'authenticateOperator'>, key: AccessTokenKey) {
    this.#registry = registry;
    this.#key = key;
  }

  async authenticate({ access, authorization, sessionToken, withoutRegistry }: AccessRequest): Promise<Caller> {
    if (access === 'anyone') return { kind: 'anyone' };
    if (access === 'operator' && authorization === undefined && sessionToken !== null) {
      return this.#operator(sessionToken, withoutRegistry);
    }
    const token = bearerToken(authorization);
    if (access === 'operator' && !looksLikeAccessToken(token)) return this.#operator(token, withoutRegistry);
    const caller = await verifyAccessToken(this.#key, token);
    if (caller.kind === access) return caller;
    throw new LmsError('PERMISSION_DENIED', `this is for a caller of kind ${access}, not for a ${caller.kind}`);
  }

  async #operator(token: string, withoutRegistry: boolean): Promise<Operator> {
    const digest = createHash('sha256').update(token).digest('hex');
    try {
      const { tokenId, name } = await this.#registry.authenticateOperator({ secret: token });
      const operator: Operator = { kind: 'operator', tokenId, name };
      this.#remember(digest, operator);
      return operator;
    } catch (error) {
      if (error instanceof LmsError && error.code === 'UNAUTHENTICATED') this.#remembered.delete(digest);
      const known = this.#remembered.get(digest);
      if (known === undefined || !withoutRegistry || !isAway(error)) throw error;
      return known;
    }
  }

  #remember(digest: string, operator: Operator): void {
    this.#remembered.delete(digest);
    this.#remembered.set(digest, operator);
    if (this.#remembered.size <= MAXIMUM_REMEMBERED) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }
}

function isAway(error: unknown): boolean {
  return error instanceof LmsError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED');
}

function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer ([\x21-\x7e]+)$/.exec(authorization ?? '')?.[1];
  if (token !== undefined && token.length <= MAXIMUM_TOKEN_LENGTH) return token;
  throw new LmsError('UNAUTHENTICATED', 'the request carries no token', {
    field: 'authorization',
    action: 'send `Authorization: Bearer` with an API token or an access token',
  });
}
