/** Join tokens. */
import { CreateTokenAnswer, CreateTokenRequest, JoinToken, JoinTokenPage, PageQuery, TokenId } from '@lms/api';
import { LmsError } from '@lms/errors';
import { TokenPurpose, type Token } from '@lms/proto';
import { z } from 'zod';
import { installCommand } from '../agent-packages/install-command.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import { instant, optionalText } from '../translation/values.ts';
import type { RouteContext } from './route-context.ts';

const config = { access: 'operator' } as const;

export function addTokenRoutes(application: Application, { clients, trust, managerUrl }: RouteContext): void {
  const { registry } = clients;

  application.post(
    '/v1/tokens',
    {
      config,
      schema: { summary: 'Create a join token', body: CreateTokenRequest, response: answers(CreateTokenAnswer) },
    },
    async ({ body }) => {
      const { token, secret } = await registry.createToken({
        purpose: TokenPurpose.MACHINE,
        name: body.name ?? '',
        uses: body.uses,
        expiresInSeconds: body.expiresInSeconds,
        dnsNames: [],
      });
      const { caSha256 } = trust;
      const url = managerUrl();
      const command = installCommand(url, caSha256, secret);
      return { ...tokenAnswer(token), token: secret, caSha256, managerUrl: url, installCommand: command };
    },
  );

  application.get(
    '/v1/tokens',
    { config, schema: { summary: 'Join tokens', querystring: PageQuery, response: answers(JoinTokenPage) } },
    async ({ query }) => {
      const { tokens, nextPageToken } = await registry.listTokens({
        purpose: TokenPurpose.MACHINE,
        pageSize: query.pageSize,
        pageToken: query.pageToken ?? '',
      });
      return { tokens: tokens.map(tokenAnswer), nextPageToken: optionalText(nextPageToken) };
    },
  );

  application.delete(
    '/v1/tokens/:tokenId',
    {
      config,
      schema: {
        summary: 'Revoke a join token',
        params: z.object({ tokenId: TokenId }),
        response: answers(JoinToken),
      },
    },
    async ({ params }) => tokenAnswer((await registry.revokeToken(params)).token),
  );
}

function tokenAnswer(token: Token | undefined): JoinToken {
  if (token === undefined) throw new LmsError('INTERNAL', 'the registry sent no token');
  return {
    id: token.tokenId,
    name: optionalText(token.name),
    uses: token.uses,
    usesLeft: token.usesLeft,
    createdAt: instant(token.createdAt),
    expiresAt: instant(token.expiresAt),
    revoked: token.revoked,
  };
}
