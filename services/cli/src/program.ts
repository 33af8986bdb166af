/** The tree of commands. Options that every command has stand at the root, and are understood before and behind a command. */
import { parseOutputFormat, productVersion, OUTPUT_FORMATS } from '@lms/command-line';
import type { Interruption } from '@lms/command-line';
import { Command, Option } from 'commander';
import { addBandwidthCommands } from './commands/bandwidth.ts';
import { addDiagnoseCommand } from './commands/diagnose.ts';
import { addMachineCommands } from './commands/machine.ts';
import { addManagerCommand } from './commands/manager.ts';
import { addNetworkCommands } from './commands/network.ts';
import { addPointCommands } from './commands/point.ts';
import { addReplicationServerCommands } from './commands/replication-server.ts';
import { addSettingsCommands } from './commands/settings.ts';
import { addStagingCommands } from './commands/staging.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTokenCommands } from './commands/token.ts';
import { ManagerSession } from './session.ts';

const EXIT_CODES_HELP = `
Exit codes: 0 done · 1 failed · 2 wrong usage · 3 timed out waiting · 4 the manager knows no such machine, disk, point or
token · 5 refused by the state of the machine or point · 6 no context, manager unreachable, or credential not accepted`;

export function createProgram(interruption: Interruption): Command {
  const program = new Command('lms')
    .description('Live Migration Service: moves running Linux machines')
    .version(productVersion())
    .addOption(new Option('--context <file>', 'manager and API token, as `lms manager` writes them').env('LMS_CONTEXT'))
    .addOption(
      // Only a short name: `--output` and `--format` of `point export` speak of the file.
      new Option('-o <form>', `form of the result: ${OUTPUT_FORMATS.join(', ')}`)
        .argParser(parseOutputFormat)
        .default('table'),
    )
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXIT_CODES_HELP);
  const session = new ManagerSession(program, interruption.signal);
  addManagerCommand(program, interruption);
  addStatusCommand(program, session);
  addTokenCommands(program, session);
  addMachineCommands(program, session);
  addDiagnoseCommand(program, session);
  addPointCommands(program, session);
  addSettingsCommands(program, session);
  addStagingCommands(program, session);
  addReplicationServerCommands(program, session);
  addBandwidthCommands(program, session);
  addNetworkCommands(program, session);
  return program;
}
