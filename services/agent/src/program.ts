import {
  OUTPUT_FORMATS,
  collect,
  formatResult,
  parseHttpsUrl,
  parseOutputFormat,
  parseSha256,
  productVersion,
  writeOutput,
} from '@lms/command-line';
import type { Interruption, OutputFormat, Result } from '@lms/command-line';
import { Command, Option } from 'commander';
import { addBandwidthCommand } from './commands/bandwidth-options.ts';
import { addCheckCommands } from './commands/check-commands.ts';
import { runDisks } from './commands/disks.ts';
import { runConfigure } from './commands/configure.ts';
import type { ConfigureOptions } from './commands/configure.ts';
import { runEnrol } from './commands/enrol.ts';
import type { EnrolOptions } from './commands/enrol.ts';
import { addBlockStreamProxyOptions, addProxyOptions } from './commands/proxy-options.ts';
import { runAgent } from './commands/run.ts';
import { runStatus } from './commands/status.ts';
import { runUninstall } from './commands/uninstall.ts';

const EXIT_CODES_HELP = `
Exit codes: 0 done · 1 failed · 2 wrong usage · 5 refused: enrolled already · 6 manager unreachable`;

const STATE_DIR = ['--state-dir <folder>', 'who this agent is: one folder for each agent of a host'] as const;

interface StateOptions {
  readonly stateDir: string;
}

export function createProgram(interruption: Interruption): Command {
  const program = new Command('lms-agent')
    .description('Agent of the Live Migration Service, on a source machine')
    .version(productVersion())
    .addOption(
      new Option('-o <form>', `form of the result: ${OUTPUT_FORMATS.join(', ')}`)
        .argParser(parseOutputFormat)
        .default('table'),
    )
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXIT_CODES_HELP);
  const print = async (result: Result): Promise<void> => {
    await writeOutput(process.stdout, formatResult(result, program.opts<{ readonly o: OutputFormat }>().o));
  };
  addEnrol(program, interruption, print);
  addConfigure(program, interruption, print);
  program
    .command('disks')
    .description('which disks of this machine can be replicated, and why the others cannot')
    .action(async () => print(runDisks()));
  program
    .command('run')
    .description('replicate the disks, in the foreground; SIGTERM stops in order')
    .requiredOption(...STATE_DIR)
    .action(async ({ stateDir }: StateOptions) => {
      interruption.stopOnSignal();
      await runAgent(stateDir, interruption.signal);
    });
  program
    .command('status')
    .description('how replication goes')
    .requiredOption(...STATE_DIR)
    .action(async ({ stateDir }: StateOptions) => print(await runStatus(stateDir)));
  addBandwidthCommand(program, interruption, print);
  addCheckCommands(program, interruption, print);
  program
    .command('uninstall')
    .description('end tracking and remove everything of this agent; safe to repeat')
    .requiredOption(...STATE_DIR)
    .action(async ({ stateDir }: StateOptions) => print(await runUninstall(stateDir)));
  return program;
}

function addEnrol(program: Command, interruption: Interruption, print: (result: Result) => Promise<void>): void {
  const command = program
    .command('enrol')
    .description('join this machine to a manager')
    .requiredOption('--manager <url>', 'address of the manager, https://…', parseHttpsUrl)
    .requiredOption('--ca-sha256 <hex>', "SHA-256 of the manager's CA, as `lms token create` prints it", parseSha256)
    .addOption(new Option('--token-file <file>', 'file that holds the join token').conflicts('tokenStdin'))
    .addOption(new Option('--token-stdin', 'read the join token from stdin'))
    .requiredOption(...STATE_DIR)
    .requiredOption('--disk <device...>', 'whole disks to replicate, such as /dev/sda; may be repeated', collect)
    .option('--name <name>', "name of the machine; without it, the host's");
  addBlockStreamProxyOptions(addProxyOptions(command)).action(async (options: EnrolOptions) => {
    if (options.tokenFile === undefined && options.tokenStdin !== true) {
      command.error('error: one of --token-file FILE and --token-stdin is needed');
    }
    if (options.tokenStdin === true && options.proxyPasswordStdin === true) {
      command.error('error: stdin holds the token or the password, not both: give one of them in a file');
    }
    await print(await runEnrol(options, interruption.signal));
  });
}

function addConfigure(program: Command, interruption: Interruption, print: (result: Result) => Promise<void>): void {
  const command = program
    .command('configure')
    .description('change the proxies of a machine that is enrolled, also while its agent runs')
    .requiredOption(...STATE_DIR)
    .option('--force', 'do not try the new way first');
  addBlockStreamProxyOptions(addProxyOptions(command)).action(async (options: ConfigureOptions) => {
    await print(await runConfigure(options, interruption.signal));
  });
}
