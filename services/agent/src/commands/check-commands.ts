/** The command line of `lms-agent check`. */
import { CommandError, durationOption, parseHostAndPort, parseHttpsUrl, parseSha256 } from '@lms/command-line';
import type { Interruption, Result } from '@lms/command-line';
import type { ChecksResult } from '@lms/network-check';
import type { Command } from 'commander';
import { runCheckBlockStream, runCheckManager } from './check.ts';
import type { CheckBlockStreamOptions, CheckManagerOptions } from './check.ts';
import { addBlockStreamProxyOptions, addProxyOptions } from './proxy-options.ts';

const STATE_DIR = ['--state-dir <folder>', 'folder of the enrolled agent whose way is checked'] as const;

export function addCheckCommands(
  program: Command,
  interruption: Interruption,
  print: (result: Result) => Promise<void>,
): void {
  const check = program
    .command('check')
    .description('try a way through the network, step by step; exit 1 when one fails');
  const show = async (result: ChecksResult): Promise<void> => {
    await print(result);
    if (!result.passed) throw new CommandError('failed', 'UNAVAILABLE', 'the check has failed: see the report');
  };
  const stepTimeout = () => durationOption('--step-timeout <time>', 'longest wait of each step, instead of its own');
  addProxyOptions(check.command('443'))
    .description('the way to the manager')
    .option(...STATE_DIR)
    .option('--manager <url>', 'before enrolment: address of the manager, https://…', parseHttpsUrl)
    .option('--ca-sha256 <hex>', "before enrolment: SHA-256 of the manager's CA", parseSha256)
    .addOption(stepTimeout())
    .action(async (options: CheckManagerOptions) => show(await runCheckManager(options, interruption.signal)));
  addBlockStreamProxyOptions(check.command('1500'))
    .description('the way to the replication server; of an enrolled agent each address that it was told')
    .option(...STATE_DIR)
    .option(
      '--address <host:port>',
      'this address; before enrolment as far as one gets without a certificate',
      parseHostAndPort,
    )
    .addOption(stepTimeout())
    .action(async (options: CheckBlockStreamOptions) => show(await runCheckBlockStream(options, interruption.signal)));
}
