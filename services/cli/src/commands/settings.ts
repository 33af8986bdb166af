/** Replication Settings: of all machines, and of one. */
import type { OperatorApi, SettingsPreview } from '@lms/api';
import { CommandError } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import type { Command } from 'commander';
import { installationSettingsResult, machineSettingsResult, previewResult } from '../results/settings.ts';
import type { CheckVerdict } from '../results/settings.ts';
import type { ManagerSession } from '../session.ts';
import {
  addInstallationOptions,
  addSettingOptions,
  changeOf,
  installationChangeOf,
  namesInstallation,
  type InstallationOptions,
  type SettingOptions,
} from '../settings/setting-options.ts';
import { waitForOperation } from '../waiting/operation.ts';
import { MACHINE } from './arguments.ts';

/** An agent that hears of it at once needs some seconds for every step; one that does not answer is told as that. */
const CHECK_TIMEOUT_MILLISECONDS = 90_000;

interface SetOptions extends InstallationOptions {
  readonly machine?: string;
  readonly dryRun?: boolean;
}

export function addSettingsCommands(program: Command, session: ManagerSession): void {
  const settings = program.command('settings').description('Replication Settings');
  settings
    .command('show')
    .description('what holds for all machines, or for one')
    .argument('[id-or-name]', MACHINE[1])
    .action(async (idOrName: string | undefined) => {
      const shown = await session.use(async (api) =>
        idOrName === undefined
          ? installationSettingsResult(await api.settings(session.signal))
          : machineSettingsResult(await api.machineSettings(idOrName, session.signal)),
      );
      await session.print(shown);
    });
  addInstallationOptions(settings.command('set'))
    .description('change what holds for all machines, or with --machine for one')
    .option('--machine <id-or-name>', 'only for this one')
    .option('--dry-run', 'say what would happen, and change nothing')
    .action(async ({ machine, dryRun, ...options }: SetOptions) => {
      if (machine !== undefined && namesInstallation(options)) {
        throw new CommandError(
          'usage',
          'INVALID_ARGUMENT',
          'the staging area and its servers have one setting for all',
          {
            action: 'Leave --machine out.',
          },
        );
      }
      const result = await session.use((api) =>
        machine === undefined
          ? setForAll(api, options, dryRun === true, session)
          : setForOne(api, machine, options, dryRun === true, session),
      );
      await session.print(result);
    });
}

/** `lms machine settings`: the same of one machine, and without a change it shows them. */
export function addMachineSettingsCommand(machine: Command, session: ManagerSession): void {
  addSettingOptions(machine.command('settings'))
    .description('show the replication settings of a source machine, after changing those that are given')
    .argument(...MACHINE)
    .action(async (idOrName: string, options: SettingOptions) => {
      const isChange = Object.values(options).some((one) => one !== undefined);
      const result = await session.use(async (api) =>
        isChange
          ? setForOne(api, idOrName, options, false, session)
          : machineSettingsResult(await api.machineSettings(idOrName, session.signal)),
      );
      await session.print(result);
    });
}

async function setForOne(
  api: OperatorApi,
  idOrName: string,
  options: SettingOptions,
  dryRun: boolean,
  session: ManagerSession,
) {
  const current = await api.machineSettings(idOrName, session.signal);
  const change = requireChange(changeOf(options, current));
  if (dryRun) return tellPreview(api, await api.previewMachineSettings(idOrName, change, session.signal), session);
  // A schedule or a limit alone is laid over what was read: nobody's change in between is to be undone by it.
  const revision = change.bandwidth === undefined ? null : current.revision;
  return machineSettingsResult(await api.changeMachineSettings(idOrName, change, session.signal, revision));
}

async function setForAll(api: OperatorApi, options: InstallationOptions, dryRun: boolean, session: ManagerSession) {
  const current = await api.settings(session.signal);
  const change = requireChange(await installationChangeOf(options, current));
  if (dryRun) return tellPreview(api, await api.previewSettings(change, session.signal), session);
  return installationSettingsResult(await api.changeSettings(change, session.signal, current.revision));
}

function requireChange<Change extends object>(change: Change): Change {
  if (Object.keys(change).length > 0) return change;
  throw new CommandError('usage', 'INVALID_ARGUMENT', 'no setting was named', {
    action: 'See --help for what there is.',
  });
}

/** Asks what the agents have found out about the addresses that they would move to. */
async function tellPreview(api: OperatorApi, preview: SettingsPreview, session: ManagerSession) {
  const checks = preview.machines.flatMap(({ blockStream }) => blockStream?.checks ?? []);
  if (checks.length > 0) session.progress.note('the agents try the addresses');
  const verdicts = new Map<string, CheckVerdict>();
  await Promise.all(
    checks.map(async ({ operationId, address }) => {
      verdicts.set(operationId, await verdictOf(api, operationId, address, session.signal));
    }),
  );
  return previewResult(preview, verdicts);
}

async function verdictOf(
  api: OperatorApi,
  operationId: string,
  address: string,
  signal: AbortSignal,
): Promise<CheckVerdict> {
  try {
    const wait = { timeoutMilliseconds: CHECK_TIMEOUT_MILLISECONDS, signal, what: `check of ${address}` };
    const { checkReport } = await waitForOperation(api, operationId, wait);
    const reached = checkReport !== null && checkReport.result !== 'failed';
    return { reached, reason: checkReport?.failure?.message ?? '' };
  } catch (thrown) {
    return { reached: false, reason: toLmsError(thrown).message };
  }
}
