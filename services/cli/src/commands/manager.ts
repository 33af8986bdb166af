import { resolve } from 'node:path';
import { collect, hostAndPortOption, withExit } from '@lms/command-line';
import type { HostAndPort, Interruption } from '@lms/command-line';
import type { Command } from 'commander';

interface ManagerOptions {
  readonly dataDir: string;
  readonly listen: HostAndPort;
  readonly blockStream: HostAndPort;
  readonly name?: readonly string[];
  readonly agentPackages?: string;
}

export function addManagerCommand(program: Command, interruption: Interruption): void {
  program
    .command('manager')
    .description('the whole manager on this host, in the foreground; SIGTERM stops it in order')
    .requiredOption('--data-dir <folder>', 'where everything is kept; made at the first start')
    .addOption(
      hostAndPortOption(
        '--listen <host:port>',
        'address of the REST interface; port 0 takes a free one',
        '127.0.0.1:8443',
      ),
    )
    .addOption(
      hostAndPortOption(
        '--block-stream <host:port>',
        'address that agents send disks to; port 0 takes a free one',
        '127.0.0.1:1500',
      ),
    )
    .option('--name <host-or-ip>', 'a name that agents and operators reach it by; may be repeated', collect)
    .option('--agent-packages <folder>', 'agents for machines to load, as `make agent-package` makes them')
    .action(async (options: ManagerOptions) => {
      interruption.stopOnSignal();
      // Loaded here: the services behind it take longer to load than any other command takes to run.
      const { runManager } = await import('@lms/manager');
      try {
        await runManager({
          dataDirectory: resolve(options.dataDir),
          listen: options.listen,
          blockStream: options.blockStream,
          names: options.name ?? [],
          ...replicationServerProgram(process.env),
          ...(options.agentPackages === undefined ? {} : { agentPackages: resolve(options.agentPackages) }),
          signal: interruption.signal,
        });
      } catch (thrown) {
        throw withExit('failed', thrown);
      }
    });
}

/** Hardly anybody changes it: a program that starts the replication server elsewhere, such as in another network. */
function replicationServerProgram(environment: NodeJS.ProcessEnv): { readonly replicationServerProgram?: string } {
  const program = environment['LMS_REPLICATION_SERVER_PROGRAM'] ?? '';
  return program === '' ? {} : { replicationServerProgram: resolve(program) };
}
