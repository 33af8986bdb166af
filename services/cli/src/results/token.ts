import type { CreateTokenAnswer, JoinToken } from '@lms/api';
import { formatFields, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export function createdTokenResult(created: CreateTokenAnswer): Result {
  const { id, token, expiresAt, uses, caSha256, managerUrl, installCommand } = created;
  return {
    value: { id, token, expiresAt, uses, caSha256, managerUrl, installCommand, name: created.name },
    names: () => [id],
    table: () =>
      [
        formatFields([
          ['id', id],
          ['token', token],
          ['uses', String(uses)],
          ['expires', expiresAt],
          ['manager', managerUrl],
          ['CA SHA-256', caSha256],
        ]),
        '',
        'On the source machine, as root; add --disk DEVICE for some of its disks only:',
        '',
        `  ${installCommand}`,
      ].join('\n'),
  };
}

export function tokenListResult(tokens: readonly JoinToken[]): Result {
  return {
    value: { tokens, nextPageToken: null },
    names: () => tokens.map((token) => token.id),
    table: () =>
      formatTable(
        ['ID', 'NAME', 'USES LEFT', 'CREATED', 'EXPIRES', 'REVOKED'],
        tokens.map(({ id, name, uses, usesLeft, createdAt, expiresAt, revoked }) => [
          id,
          name ?? '',
          `${usesLeft} of ${uses}`,
          createdAt,
          expiresAt,
          revoked ? 'yes' : 'no',
        ]),
      ),
  };
}

export function revokedTokenResult(token: JoinToken): Result {
  return { value: token, names: () => [token.id], table: () => `token ${token.id} is revoked` };
}
