import type { LogsAnswer } from '@lms/api';
import { durationOption, parseWholeNumber } from '@lms/command-line';
import type { Command } from 'commander';
import { listAll } from '../listing/pages.ts';
import { initiationResult, logsResult, machineListResult, machineResult } from '../results/machine.ts';
import { acceptedResult, completedResult } from '../results/point.ts';
import { MACHINE } from './arguments.ts';
import { addCheckCommand } from './machine-check.ts';
import { addRemoveCommand } from './machine-remove.ts';
import { addMachineSettingsCommand } from './settings.ts';
import { addMachineStagingCommand } from './staging.ts';
import type { ManagerSession } from '../session.ts';
import { waitForOperation } from '../waiting/operation.ts';
import { parseMachineCondition, waitForMachine } from '../waiting/machine-condition.ts';
import type { MachineCondition } from '../waiting/machine-condition.ts';

const MAXIMUM_LOG_RECORDS = 1_000;

const ACTIONS = {
  pause: { help: 'stop sending; changes go on being tracked', asked: 'asked to pause', done: 'paused' },
  resume: { help: 'go on after a pause', asked: 'asked to resume', done: 'resumed' },
  rescan: {
    help: 'compare the disks with the replica and send what differs',
    asked: 'asked to rescan',
    done: 'rescan has begun',
  },
} as const;

export function addMachineCommands(program: Command, session: ManagerSession): void {
  const machine = program.command('machine').description('source machines');
  machine
    .command('list')
    .description('all source machines')
    .action(async () => {
      const all = await session.use((api) =>
        listAll(
          (page) => api.listMachines(page, session.signal),
          ({ machines }) => machines,
        ),
      );
      await session.print(machineListResult(all));
    });
  machine
    .command('show')
    .description('one source machine and its disks')
    .argument(...MACHINE)
    .action(async (idOrName: string) => {
      await session.print(machineResult(await session.use((api) => api.machine(idOrName, session.signal))));
    });
  machine
    .command('initiation')
    .description('the steps from enrolment to the first data, each with its state and error')
    .argument(...MACHINE)
    .action(async (idOrName: string) => {
      await session.print(initiationResult(await session.use((api) => api.initiation(idOrName, session.signal))));
    });
  addLogsCommand(machine, session);
  addWaitCommand(machine, session);
  addActionCommands(machine, session);
  addMachineSettingsCommand(machine, session);
  addMachineStagingCommand(machine, session);
  addCheckCommand(machine, session);
  addRemoveCommand(machine, session);
}

function addLogsCommand(machine: Command, session: ManagerSession): void {
  machine
    .command('logs')
    .description('what the agent of a source machine logged, newest last')
    .argument(...MACHINE)
    .option('--limit <count>', 'how many records', parseWholeNumber(1, MAXIMUM_LOG_RECORDS), 100)
    .action(async (idOrName: string, options: { readonly limit: number }) => {
      const answer = await session.use(async (api): Promise<LogsAnswer> => {
        const { id } = await api.machine(idOrName, session.signal);
        return api.logs({ source: 'agent', id, limit: options.limit }, session.signal);
      });
      await session.print(logsResult(answer));
    });
}

function addWaitCommand(machine: Command, session: ManagerSession): void {
  machine
    .command('wait')
    .description('wait until a source machine is as asked; exit 3 when it is not in time')
    .argument(...MACHINE)
    .requiredOption(
      '--for <condition>',
      'replication=STATE, lifecycle=STATE, or point=SEQUENCE (that one or a later one)',
      parseMachineCondition,
    )
    .addOption(durationOption('--timeout <time>', 'how long to wait', '10m'))
    .action(async (idOrName: string, options: { readonly for: MachineCondition; readonly timeout: number }) => {
      const reached = await session.use((api) =>
        waitForMachine(api, idOrName, options.for, {
          timeoutMilliseconds: options.timeout,
          signal: session.signal,
          progress: session.progress,
        }),
      );
      await session.print(machineResult(reached));
    });
}

interface ActionOptions {
  readonly wait?: boolean;
  readonly timeout: number;
}

function addActionCommands(machine: Command, session: ManagerSession): void {
  for (const action of ['pause', 'resume', 'rescan'] as const) {
    const { help, asked, done } = ACTIONS[action];
    machine
      .command(action)
      .description(help)
      .argument(...MACHINE)
      .option('--wait', 'wait until the agent has done it')
      .addOption(durationOption('--timeout <time>', 'how long to wait', '1m'))
      .action(async (idOrName: string, options: ActionOptions) => {
        const result = await session.use(async (api) => {
          const { operationId } = await api.machineAction(idOrName, action, session.signal);
          if (options.wait !== true) return acceptedResult(operationId, `${idOrName}: ${asked}`);
          const wait = {
            timeoutMilliseconds: options.timeout,
            signal: session.signal,
            what: `${action} of ${idOrName}`,
          };
          return completedResult(await waitForOperation(api, operationId, wait), `${idOrName}: ${done}`);
        });
        await session.print(result);
      });
  }
}
