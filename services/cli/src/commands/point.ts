import { randomUUID } from 'node:crypto';
import type { Consistency, Point } from '@lms/api';
import { CommandError, durationOption } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import { Option } from 'commander';
import type { Command } from 'commander';
import { listAll } from '../listing/pages.ts';
import { acceptedResult, completedResult, pointListResult, pointResult, verifyResult } from '../results/point.ts';
import type { ManagerSession } from '../session.ts';
import { VERDICT_MARGIN_MILLISECONDS, waitForOperation } from '../waiting/operation.ts';
import { MACHINE, SEQUENCE } from './arguments.ts';
import { addExportCommand } from './point-export.ts';

const MAXIMUM_TIMEOUT_SECONDS = 86_400;

export function addPointCommands(program: Command, session: ManagerSession): void {
  const point = program.command('point').description('points in time');
  addCreateCommand(point, session);
  point
    .command('list')
    .description('all points of a source machine, oldest first')
    .argument(...MACHINE)
    .action(async (idOrName: string) => {
      const all = await session.use((api) =>
        listAll(
          (page) => api.listPoints(idOrName, page, session.signal),
          ({ points }) => points,
        ),
      );
      await session.print(pointListResult(all));
    });
  addVerifyCommand(point, session);
  addExportCommand(point, session);
  addPinCommands(point, session);
  addDeleteCommand(point, session);
}

interface CreateOptions {
  readonly consistency: Consistency;
  readonly wait?: boolean;
  readonly timeout: number;
}

function addCreateCommand(point: Command, session: ManagerSession): void {
  point
    .command('create')
    .description('make a point in time now')
    .argument(...MACHINE)
    .addOption(
      new Option('--consistency <least>', 'the least that is accepted')
        .choices(['crash', 'filesystem'])
        .default('crash'),
    )
    .option('--wait', 'wait for the point and print it; otherwise the operation is printed')
    .addOption(durationOption('--timeout <time>', 'how long the agent may look for a window', '5m'))
    .action(async (idOrName: string, { consistency, wait, timeout }: CreateOptions) => {
      const timeoutSeconds = Math.min(MAXIMUM_TIMEOUT_SECONDS, Math.max(1, Math.ceil(timeout / 1_000)));
      const result = await session.use(async (api) => {
        const request = { consistency, timeoutSeconds };
        const { operationId } = await api.createPoint(idOrName, request, randomUUID(), session.signal);
        if (wait !== true) return acceptedResult(operationId, `${idOrName}: asked for a point in time`);
        session.progress.note('waiting for a point in time');
        const operation = await waitForOperation(api, operationId, {
          timeoutMilliseconds: timeoutSeconds * 1_000 + VERDICT_MARGIN_MILLISECONDS,
          signal: session.signal,
          what: `point of ${idOrName}`,
        });
        return pointResult(madePoint(operation.point));
      });
      await session.print(result);
    });
}

function madePoint(point: Point | null): Point {
  if (point !== null) return point;
  throw new LmsError('PROTOCOL_VIOLATION', 'the manager says that the point was made, and does not say which', {
    action: 'Check that `lms` and the manager are of versions that go together.',
  });
}

interface WaitOptions {
  readonly timeout: number;
}

function addVerifyCommand(point: Command, session: ManagerSession): void {
  point
    .command('verify')
    .description('compare every stored block of a point with its digest; exit 1 when one differs')
    .argument(...MACHINE)
    .argument(...SEQUENCE)
    .addOption(durationOption('--timeout <time>', 'how long to wait', '1d'))
    .action(async (idOrName: string, sequence: number, options: WaitOptions) => {
      const report = await session.use(async (api) => {
        const { operationId } = await api.verifyPoint(idOrName, sequence, session.signal);
        session.progress.note('comparing every block with its digest');
        const operation = await waitForOperation(api, operationId, {
          timeoutMilliseconds: options.timeout,
          signal: session.signal,
          what: `verification of point ${sequence} of ${idOrName}`,
        });
        return operation.verifyReport;
      });
      if (report === null) throw new LmsError('PROTOCOL_VIOLATION', 'the verification ended without a report');
      await session.print(verifyResult(sequence, report));
      const first = report.mismatches[0];
      if (report.mismatchedBlocks === 0) return;
      const where = first === undefined ? '' : `, the first at ${first.diskId} offset ${first.offsetBytes}`;
      const blocks = `${report.mismatchedBlocks} of ${report.blocksChecked} blocks`;
      throw new CommandError('failed', 'DATA_LOSS', `point ${sequence}: ${blocks} do not match their digests${where}`, {
        action: 'Do not launch from this point: make a new one, and see to the disk that holds the staging area.',
      });
    });
}

function addPinCommands(point: Command, session: ManagerSession): void {
  for (const [action, description, done] of [
    ['pin', 'keep a point, whatever retention says, until it is unpinned', 'is pinned'],
    ['unpin', 'leave a point to retention again', 'is not pinned any more'],
  ] as const) {
    point
      .command(action)
      .description(description)
      .argument(...MACHINE)
      .argument(...SEQUENCE)
      .addOption(durationOption('--timeout <time>', 'how long to wait', '5m'))
      .action(async (idOrName: string, sequence: number, options: WaitOptions) => {
        const operation = await session.use(async (api) => {
          const { operationId } = await api.pinPoint(idOrName, sequence, action, session.signal);
          const what = `${action} of point ${sequence} of ${idOrName}`;
          const wait = { timeoutMilliseconds: options.timeout, signal: session.signal, what };
          return waitForOperation(api, operationId, wait);
        });
        await session.print(completedResult(operation, `${idOrName}: point ${sequence} ${done}`));
      });
  }
}

function addDeleteCommand(point: Command, session: ManagerSession): void {
  point
    .command('delete')
    .description('delete a point; the newest one is kept')
    .argument(...MACHINE)
    .argument(...SEQUENCE)
    .addOption(durationOption('--timeout <time>', 'how long to wait', '5m'))
    .action(async (idOrName: string, sequence: number, options: WaitOptions) => {
      const operation = await session.use(async (api) => {
        const { operationId } = await api.deletePoint(idOrName, sequence, session.signal);
        return waitForOperation(api, operationId, {
          timeoutMilliseconds: options.timeout,
          signal: session.signal,
          what: `deletion of point ${sequence} of ${idOrName}`,
        });
      });
      await session.print(completedResult(operation, `${idOrName}: point ${sequence} is deleted`));
    });
}
