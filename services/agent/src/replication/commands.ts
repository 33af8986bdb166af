/** Commands of the manager, as calls of the core. */
import type { AgentCheck, AgentCommand, CheckReport, CommandResult } from '@lms/api';
import { toLmsError } from '@lms/errors';
import type { Replicator } from '../core/index.ts';

/** A point that is asked for gets at least this long, and never more than a day. */
const LEAST_TIMEOUT_MILLISECONDS = 1_000;
const LONGEST_TIMEOUT_MILLISECONDS = 86_400_000;
const MAXIMUM_SENTENCE_LENGTH = 2_000;

export interface CommandTarget {
  readonly replicator: Pick<Replicator, 'createPoint' | 'rescan'>;
  readonly setPaused: (paused: boolean) => void;
  readonly nowMilliseconds: () => number;
  readonly check: (asked: AgentCheck) => Promise<CheckReport>;
}

export async function executeCommand(
  command: AgentCommand | (AgentCheck & { readonly kind: 'check' }),
  target: CommandTarget,
): Promise<CommandResult> {
  switch (command.kind) {
    case 'pause':
    case 'resume':
      target.setPaused(command.kind === 'pause');
      return { state: 'succeeded' };
    case 'rescan':
      target.replicator.rescan();
      return { state: 'succeeded' };
    case 'createPoint':
      return createPoint(command, target);
    case 'check':
      return check(command, target);
    case 'unknown':
      return { state: 'failed', code: 'UNSUPPORTED', message: 'this agent does not know the command: upgrade it' };
  }
}

/** A check that finds a fault has succeeded: its report says what it found. */
async function check(asked: AgentCheck, target: CommandTarget): Promise<CommandResult> {
  try {
    return { state: 'succeeded', report: await target.check(asked) };
  } catch (thrown) {
    const { code, message } = toLmsError(thrown);
    return { state: 'failed', code, message: message.slice(0, MAXIMUM_SENTENCE_LENGTH) };
  }
}

async function createPoint(command: AgentCommand, target: CommandTarget): Promise<CommandResult> {
  // The manager says how long by its own clock, since clocks differ; an older one says only until when.
  const { remainingSeconds } = command;
  const leftMilliseconds =
    remainingSeconds === undefined ? Date.parse(command.deadline) - target.nowMilliseconds() : remainingSeconds * 1_000;
  const outcome = await target.replicator.createPoint({
    requestId: command.id,
    consistency: command.consistency ?? 'crash',
    timeoutMilliseconds: Math.min(LONGEST_TIMEOUT_MILLISECONDS, Math.max(LEAST_TIMEOUT_MILLISECONDS, leftMilliseconds)),
    traceparent: command.traceparent ?? '',
  });
  if (outcome.state === 'succeeded') return { state: 'succeeded', sequence: outcome.sequence };
  return { state: 'failed', code: outcome.code, message: outcome.message.slice(0, MAXIMUM_SENTENCE_LENGTH) };
}
