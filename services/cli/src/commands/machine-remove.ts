/**
 * `lms machine remove`: the one command that destroys a replica, so it asks. A person types the machine's name; a script
 * says `--yes`; whoever is neither is told so before anything is asked of the manager.
 */
import { createInterface } from 'node:readline/promises';
import { MachineId } from '@lms/api';
import type { Machine, OperatorApi } from '@lms/api';
import { CommandError, durationOption, formatBytes } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import type { Command } from 'commander';
import { removalResult, removingResult } from '../results/removal.ts';
import type { ManagerSession } from '../session.ts';
import { waitUntilGone } from '../waiting/removal.ts';
import { MACHINE } from './arguments.ts';

interface RemoveOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly yes?: boolean;
}

export function addRemoveCommand(machine: Command, session: ManagerSession): void {
  machine
    .command('remove')
    .description('remove a source machine for good, with its replica and all of its points; safe to repeat')
    .argument(...MACHINE)
    .option('--wait', 'wait until nothing is left of it, and print what was there')
    .addOption(durationOption('--timeout <time>', 'how long to wait', '5m'))
    .option('--yes', 'do not ask; needed where there is no terminal')
    .action(async (idOrName: string, options: RemoveOptions) => {
      requireConsent(idOrName, options);
      const result = await session.use(async (api) => {
        const meant = options.yes === true ? idOrName : await confirm(api, idOrName, session.signal);
        const removal = await api.removeMachine(meant, session.signal);
        if (options.wait !== true) return removingResult(removal);
        session.progress.note(`removing ${removal.name ?? removal.machineId}`);
        const { timeout: timeoutMilliseconds } = options;
        return removalResult(
          removal,
          await waitUntilGone(api, removal, {
            timeoutMilliseconds,
            signal: session.signal,
            progress: session.progress,
          }),
        );
      });
      await session.print(result);
    });
}

function requireConsent(idOrName: string, { yes }: RemoveOptions): void {
  if (yes === true || (process.stdin.isTTY && process.stderr.isTTY)) return;
  throw new CommandError('usage', 'INVALID_ARGUMENT', `removing ${idOrName} destroys its only replica`, {
    action: 'Where nobody can be asked, say --yes.',
  });
}

/** What to remove, by its id where that is known: the name may be another machine's by the time that it was typed. */
async function confirm(api: OperatorApi, idOrName: string, signal: AbortSignal): Promise<string> {
  const machine = await findMachine(api, idOrName, signal);
  // Removed already, or unknown: the manager says which.
  if (machine === null && !MachineId.safeParse(idOrName).success) return idOrName;
  const name = machine?.name ?? idOrName;
  const typed = await ask(`${warning(machine, idOrName)}\nType ${name} to go on: `, signal);
  if (typed === name) return machine?.id ?? idOrName;
  throw new CommandError('failed', 'CANCELLED', `${name} was not typed, so nothing was removed`);
}

async function findMachine(api: OperatorApi, idOrName: string, signal: AbortSignal): Promise<Machine | null> {
  try {
    return await api.machine(idOrName, signal);
  } catch (thrown) {
    const { code } = toLmsError(thrown);
    if (code === 'NOT_FOUND' || code === 'REMOVED') return null;
    throw thrown;
  }
}

function warning(machine: Machine | null, idOrName: string): string {
  if (machine === null)
    return `The manager knows no machine ${idOrName}. This deletes what the staging area has of it.`;
  const { name, id, disks } = machine;
  const bytes = formatBytes(disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const what = disks.length === 1 ? 'disk' : `${disks.length} disks`;
  return `This removes ${name} (${id}) for good: the only replica of its ${what} (${bytes}), and all of its points in time.`;
}

/** Empty when the terminal is closed. Without readline's own terminal mode, so that Ctrl-C stays a signal. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  try {
    const answered = terminal.question(question, { signal });
    answered.catch(() => undefined);
    return (await Promise.race([answered, closed])).trim();
  } finally {
    terminal.close();
  }
}
