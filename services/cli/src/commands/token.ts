import { parseDuration, parseWholeNumber } from '@lms/command-line';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { listAll } from '../listing/pages.ts';
import { createdTokenResult, revokedTokenResult, tokenListResult } from '../results/token.ts';
import type { ManagerSession } from '../session.ts';

const MAXIMUM_USES = 100_000;
const MAXIMUM_LIFE_MILLISECONDS = 31 * 86_400_000;

interface CreateOptions {
  readonly uses: number;
  readonly expires: number;
  readonly name?: string;
}

export function addTokenCommands(program: Command, session: ManagerSession): void {
  const token = program.command('token').description('join tokens: with one, a machine becomes a source machine');
  token
    .command('create')
    .description('make a token; it is shown this once')
    .option('--uses <count>', 'how many machines may join with it', parseWholeNumber(1, MAXIMUM_USES), 1)
    .addOption(
      new Option('--expires <time>', 'how long it is good for').argParser(parseLife).default(parseLife('1h'), '1h'),
    )
    .option('--name <name>', 'for people')
    .action(async (options: CreateOptions) => {
      const request = {
        uses: options.uses,
        expiresInSeconds: Math.max(1, Math.round(options.expires / 1_000)),
        ...(options.name === undefined ? {} : { name: options.name }),
      };
      const created = await session.use((api) => api.createToken(request, session.signal));
      await session.print(createdTokenResult(created));
    });
  token
    .command('list')
    .description('all tokens, without their secrets')
    .action(async () => {
      const all = await session.use((api) =>
        listAll(
          (page) => api.listTokens(page, session.signal),
          ({ tokens }) => tokens,
        ),
      );
      await session.print(tokenListResult(all));
    });
  token
    .command('revoke')
    .description('end a token; machines that joined with it stay')
    .argument('<id>', 'id of the token')
    .action(async (id: string) => {
      const revoked = await session.use((api) => api.revokeToken(id, session.signal));
      await session.print(revokedTokenResult(revoked));
    });
}

function parseLife(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds > MAXIMUM_LIFE_MILLISECONDS) throw new InvalidArgumentError('A token lives for 31d at most.');
  return milliseconds;
}
