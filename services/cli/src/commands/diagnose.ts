import { CommandError } from '@lms/command-line';
import type { Command } from 'commander';
import { diagnosisResult } from '../results/diagnosis.ts';
import { MACHINE } from './arguments.ts';
import type { ManagerSession } from '../session.ts';

export function addDiagnoseCommand(program: Command, session: ManagerSession): void {
  program
    .command('diagnose')
    .description('why a source machine does not replicate, and what to do next; exit 1 when a problem is found')
    .argument(...MACHINE)
    .option('--no-check', 'do not ask the agent to check 1500 anew')
    .action(async (idOrName: string, options: { readonly check: boolean }) => {
      session.progress.note(`looking at ${idOrName} from every side`);
      const diagnosis = await session.use((api) => api.diagnose(idOrName, options.check, session.signal));
      await session.print(diagnosisResult(diagnosis));
      if (diagnosis.cause === null) return;
      throw new CommandError('failed', 'FAILED_PRECONDITION', `a problem was found: ${diagnosis.cause}`);
    });
}
