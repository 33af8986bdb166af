/** Replication servers: which there are, and whether they reach the manager. */
import type { ReplicationServerSummary } from '@lms/api';
import { CommandError, durationOption, formatOptional, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { checksResult } from '@lms/network-check';
import type { Command } from 'commander';
import { listAll } from '../listing/pages.ts';
import type { ManagerSession } from '../session.ts';
import { waitForCheck } from '../waiting/check.ts';

export function addReplicationServerCommands(program: Command, session: ManagerSession): void {
  const server = program.command('replication-server').description('replication servers, where agents send to');
  server
    .command('list')
    .description('all replication servers, and where agents connect to')
    .action(async () => {
      const all = await session.use((api) =>
        listAll(
          (page) => api.listReplicationServers(page, session.signal),
          ({ replicationServers }) => replicationServers,
        ),
      );
      await session.print(serversResult(all));
    });
  server
    .command('check')
    .description('have a replication server try its way to the manager, step by step; exit 1 when one fails')
    .argument('<name>', 'name of the replication server')
    .addOption(durationOption('--timeout <time>', 'how long to wait for the report', '2m'))
    .action(async (name: string, { timeout }: { readonly timeout: number }) => {
      const report = await session.use(async (api) => {
        session.progress.note(`${name} checks 443`);
        const { operationId } = await api.checkReplicationServer(name, session.signal);
        const wait = { timeoutMilliseconds: timeout, signal: session.signal, what: `check of 443 from ${name}` };
        return waitForCheck(api, operationId, wait);
      });
      const result = checksResult([report]);
      await session.print(result);
      if (!result.passed)
        throw new CommandError('failed', 'UNAVAILABLE', `${name}: the check has failed: see the report`);
    });
}

function serversResult(servers: readonly ReplicationServerSummary[]): Result {
  return {
    value: { replicationServers: servers, nextPageToken: null },
    names: () => servers.map(({ name }) => name),
    table: () =>
      formatTable(
        ['NAME', 'VERSION', 'BLOCK STREAM', 'ENROLLED'],
        servers.map(({ name, version, blockStream, enrolledAt }) => [
          name,
          version,
          formatOptional(blockStream),
          enrolledAt,
        ]),
      ),
  };
}
