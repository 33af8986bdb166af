import type { CheckReport, CheckTarget, Machine, OperatorApi } from '@lms/api';
import { CommandError, durationOption } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { checksResult } from '@lms/network-check';
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ManagerSession } from '../session.ts';
import { waitForCheck } from '../waiting/check.ts';
import { MACHINE } from './arguments.ts';

const TARGETS: Readonly<Record<string, readonly CheckTarget[]>> = {
  '443': ['443'],
  '1500': ['1500'],
  both: ['443', '1500'],
};

export function addCheckCommand(machine: Command, session: ManagerSession): void {
  machine
    .command('check')
    .description('have the agent try its ways through the network, step by step; exit 1 when one fails')
    .argument(...MACHINE)
    .addArgument(new Argument('[what]', 'which way').choices(Object.keys(TARGETS)).default('both'))
    .addOption(durationOption('--timeout <time>', 'how long to wait for each report', '2m'))
    .action(async (idOrName: string, what: string, { timeout }: { readonly timeout: number }) => {
      const reports = await session.use((api) => askAgent(api, session, idOrName, TARGETS[what] ?? [], timeout));
      const result = checksResult(reports);
      await session.print(result);
      if (!result.passed)
        throw new CommandError('failed', 'UNAVAILABLE', `${idOrName}: the check has failed: see the report`);
    });
}

async function askAgent(
  api: OperatorApi,
  session: ManagerSession,
  idOrName: string,
  targets: readonly CheckTarget[],
  timeoutMilliseconds: number,
): Promise<readonly CheckReport[]> {
  const { signal, progress } = session;
  const machine = await api.machine(idOrName, signal);
  if (!machine.agent.connected) throw await notAnswered(api, machine, signal);
  const reports: CheckReport[] = [];
  for (const target of targets) {
    progress.note(`the agent of ${machine.name} checks ${target}`);
    const { operationId } = await api.checkMachine(machine.id, { target }, signal);
    const wait = { timeoutMilliseconds, signal, what: `check of ${target} from ${machine.name}` };
    reports.push(
      await waitForCheck(api, operationId, wait).catch(async (thrown: unknown) => {
        if (toLmsError(thrown).code !== 'DEADLINE_EXCEEDED') throw thrown;
        throw await notAnswered(api, await api.machine(machine.id, signal), signal);
      }),
    );
  }
  return reports;
}

/** Nobody can be asked; what the manager knows is all there is. */
async function notAnswered(api: OperatorApi, machine: Machine, signal: AbortSignal): Promise<CommandError> {
  const { name, replicationState, stallCause, detail, agent } = machine;
  const { steps } = await api.initiation(machine.id, signal);
  const failed = steps.find(({ state }) => state === 'FAILED');
  const known = [
    agent.lastSeenAt === null ? 'it has never been heard of' : `it was last heard of at ${agent.lastSeenAt}`,
    ...(replicationState === null ? [] : [`replication is ${replicationState}`]),
    ...(stallCause === null ? [] : [`because of ${stallCause}`]),
    ...(detail === null ? [] : [detail]),
    ...(failed === undefined ? [] : [`step ${failed.step} failed: ${failed.error ?? 'no reason was given'}`]),
  ];
  return new CommandError('failed', 'UNAVAILABLE', `the agent of ${name} does not answer: ${known.join('; ')}`, {
    action: 'On that machine: `lms-agent status` and `lms-agent check 443`, each with its --state-dir.',
  });
}
