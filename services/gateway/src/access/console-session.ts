/**
 * What stands in the console's cookie: the operator's API token, encrypted with a key that every gateway of this manager has.
 *
 * Situation: a page must not hold the API token where a script can read it, and several gateways serve one console. Mechanism: an
 * HttpOnly cookie with the token inside, encrypted and authenticated (JWE, A256GCM); each request is then checked by the registry
 * like one that carries the token itself, so that a revoked token ends the session at once. Special cases: it lasts for an hour
 * and is renewed while it is used, for half a day in all. Downside: signing out takes the cookie from the browser only; a copy of
 * it would last its hour.
 */
import { hkdfSync } from 'node:crypto';
import { LmsError } from '@lms/errors';
import { EncryptJWT, jwtDecrypt } from 'jose';
import { z } from 'zod';
import type { AccessTokenKey } from './access-token.ts';

const IDLE_MILLISECONDS = 60 * 60_000;
const LONGEST_MILLISECONDS = 12 * 60 * 60_000;
const TOKEN_TYPE = 'lms-console+jwt';
/** `__Host-`: browsers take it over TLS only, for this host only, for all of its paths. */
const COOKIE_NAME = '__Host-lms-session';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

const Claims = z.object({ secret: z.string(), since: z.number(), exp: z.number() });

export interface ConsoleSessionState {
  readonly apiToken: string;
  readonly signedInAtMilliseconds: number;
  readonly expiresAtMilliseconds: number;
}

export class ConsoleSessions {
  readonly #key: Uint8Array;
  readonly #trustDomain: string;

  constructor({ key, trustDomain }: AccessTokenKey) {
    // Not the key itself: what is signed with it and what is encrypted must never be taken for each other.
    this.#key = new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), 'lms console session', 32));
    this.#trustDomain = trustDomain;
  }

  /** The value of a `Set-Cookie` header. */
  async cookieOf(apiToken: string, signedInAtMilliseconds: number, nowMilliseconds: number): Promise<string> {
    const endsAt = Math.min(nowMilliseconds + IDLE_MILLISECONDS, endOf(signedInAtMilliseconds));
    const token = await new EncryptJWT({ secret: apiToken, since: signedInAtMilliseconds })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: TOKEN_TYPE })
      .setAudience(this.#trustDomain)
      .setExpirationTime(Math.floor(endsAt / 1_000))
      .encrypt(this.#key);
    const maximumAgeSeconds = Math.max(0, Math.floor((endsAt - nowMilliseconds) / 1_000));
    return `${COOKIE_NAME}=${token}; Max-Age=${maximumAgeSeconds}; ${ATTRIBUTES}`;
  }

  /** Null: the request carries no such cookie. */
  async read(cookieHeader: string | undefined, nowMilliseconds: number): Promise<ConsoleSessionState | null> {
    const token = findCookie(cookieHeader);
    if (token === null) return null;
    try {
      const { payload } = await jwtDecrypt(token, this.#key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        typ: TOKEN_TYPE,
        audience: this.#trustDomain,
        currentDate: new Date(nowMilliseconds),
      });
      const { secret, since, exp } = Claims.parse(payload);
      return { apiToken: secret, signedInAtMilliseconds: since, expiresAtMilliseconds: exp * 1_000 };
    } catch (cause) {
      throw new LmsError('UNAUTHENTICATED', 'you were signed out, since this console was not used for a while', {
        action: 'sign in again',
        cause,
      });
    }
  }
}

/** Takes the cookie from the browser. */
export const NO_CONSOLE_COOKIE = `${COOKIE_NAME}=; Max-Age=0; ${ATTRIBUTES}`;

/** When the API token has to be given again. */
export function endOf(signedInAtMilliseconds: number): number {
  return signedInAtMilliseconds + LONGEST_MILLISECONDS;
}

/** Half used, and longer possible. */
export function isToBeRenewed(session: ConsoleSessionState, nowMilliseconds: number): boolean {
  if (session.expiresAtMilliseconds - nowMilliseconds > IDLE_MILLISECONDS / 2) return false;
  return session.expiresAtMilliseconds + 1_000 < endOf(session.signedInAtMilliseconds);
}

function findCookie(header: string | undefined): string | null {
  for (const part of (header ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2);
    if (name === COOKIE_NAME && value !== undefined && value !== '') return value;
  }
  return null;
}
