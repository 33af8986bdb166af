/** What there is in the staging area: also of machines that the manager does not know any more. */
import { MachineId } from '@lms/api';
import type { OperatorApi } from '@lms/api';
import type { Command } from 'commander';
import { stagingResult } from '../results/removal.ts';
import type { ManagerSession } from '../session.ts';
import { stagingObjects } from '../waiting/removal.ts';
import { MACHINE } from './arguments.ts';

export function addStagingCommands(program: Command, session: ManagerSession): void {
  const staging = program.command('staging').description('where replicas lie');
  staging
    .command('list')
    .description('what there is of all machines, and what carries our mark and is of none')
    .action(async () => {
      await session.print(stagingResult(await session.use((api) => stagingObjects(api, undefined, session.signal))));
    });
}

export function addMachineStagingCommand(machine: Command, session: ManagerSession): void {
  machine
    .command('staging')
    .description('what there is in the staging area of a source machine; nothing, once it is removed')
    .argument(...MACHINE)
    .action(async (idOrName: string) => {
      const objects = await session.use(async (api) => {
        const machineId = await idOf(api, idOrName, session.signal);
        return stagingObjects(api, machineId, session.signal);
      });
      await session.print(stagingResult(objects));
    });
}

/** An id need not be known to the manager. */
async function idOf(api: OperatorApi, idOrName: string, signal: AbortSignal): Promise<string> {
  return MachineId.safeParse(idOrName).success ? idOrName : (await api.machine(idOrName, signal)).id;
}
