/** From a request's `Authorization` to its caller. */
import { LmsError } from '@lms/errors';
import type { ServiceClients } from '../manager-services.ts';
import { looksLikeAccessToken, verifyAccessToken, type AccessTokenKey } from './access-token.ts';
import type { Access, Caller } from './caller.ts';

/** An API token is 52 characters, an access token some hundred. */
const MAXIMUM_TOKEN_LENGTH = 4_096;

export async function authenticate(
  access: Access,
  authorization: string | undefined,
  clients: Pick<ServiceClients, 'registry'>,
  key: AccessTokenKey,
): Promise<Caller> {
  if (access === 'anyone') return { kind: 'anyone' };
  const token = bearerToken(authorization);
  if (access === 'operator') {
    if (looksLikeAccessToken(token)) {
      const { kind } = await verifyAccessToken(key, token);
      throw denied(kind, access);
    }
    const { tokenId, name } = await clients.registry.authenticateOperator({ secret: token });
    return { kind: 'operator', tokenId, name };
  }
  const caller = await verifyAccessToken(key, token);
  if (caller.kind !== access) throw denied(caller.kind, access);
  return caller;
}

function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer ([\x21-\x7e]+)$/.exec(authorization ?? '')?.[1];
  if (token !== undefined && token.length <= MAXIMUM_TOKEN_LENGTH) return token;
  throw new LmsError('UNAUTHENTICATED', 'the request carries no token', {
    field: 'authorization',
    action: 'send `Authorization: Bearer` with an API token or an access token',
  });
}

function denied(kind: string, access: Access): LmsError {
  return new LmsError('PERMISSION_DENIED', `this is for a caller of kind ${access}, not for a ${kind}`);
}
