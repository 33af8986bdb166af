/**
 * Carries out what the operator asks through the manager.
 *
 * Mechanism: a long-poll that names the commands at work, so that only new ones come; each is carried out beside the
 * others, and its result is posted until the manager has it. Special cases: at the agent's stop a command that was not
 * finished is not answered: the manager sends it again to the next life of the agent, which does it or finds it done.
 */
import type { AgentApi, AgentCheck, AgentCommand, CommandResult } from '@lms/api';
import { toLmsError } from '@lms/errors';
import type { ErrorCode } from '@lms/errors';
import { BackOff, pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';

const WAIT_SECONDS = 25;
const RETRY = { firstMilliseconds: 1_000, longestMilliseconds: 30_000 };
/** A manager that answers at once with nothing must not be asked a thousand times a second. */
const LEAST_POLL_MILLISECONDS = 1_000;
/** The query has room for a hundred ids; nobody has so many points made at once. */
const KNOWN_LIMIT = 100;
/** The manager has heard and does not want it: asking again changes nothing. */
const FINAL_REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'INVALID_ARGUMENT',
  'PERMISSION_DENIED',
  'REMOVED',
]);

/** What the manager may ask for. */
export type Asked = AgentCommand | (AgentCheck & { readonly kind: 'check' });

export interface CommandLoopParts {
  readonly api: Pick<AgentApi, 'commands' | 'commandResult'>;
  readonly logger: Logger;
  /** Never rejects; null when the agent stops before it is done. */
  readonly execute: (command: Asked) => Promise<CommandResult | null>;
}

export class CommandLoop {
  readonly #parts: CommandLoopParts;
  readonly #working = new Map<string, Promise<void>>();

  constructor(parts: CommandLoopParts) {
    this.#parts = parts;
  }

  /** Until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff(RETRY);
    while (!signal.aborted) {
      const askedAt = performance.now();
      try {
        const known = [...this.#working.keys()].slice(0, KNOWN_LIMIT);
        const { commands, checks } = await this.#parts.api.commands(WAIT_SECONDS, known, signal);
        backOff.succeeded();
        const asked: readonly Asked[] = [...commands, ...checks.map((check) => ({ ...check, kind: 'check' as const }))];
        const fresh = asked.filter((command) => !this.#working.has(command.id));
        for (const command of fresh) this.#begin(command, signal);
        const tookMilliseconds = performance.now() - askedAt;
        if (fresh.length === 0) await pause(Math.max(0, LEAST_POLL_MILLISECONDS - tookMilliseconds), signal);
      } catch {
        // That the manager is away is said by the heartbeat.
        await pause(backOff.failed(), signal);
      }
    }
    await Promise.allSettled(this.#working.values());
  }

  #begin(command: Asked, signal: AbortSignal): void {
    const { id, kind } = command;
    this.#parts.logger.info({ commandId: id, kind }, `asked to ${kind}`);
    const work = this.#carryOut(command, signal).finally(() => this.#working.delete(id));
    this.#working.set(id, work);
  }

  async #carryOut(command: Asked, signal: AbortSignal): Promise<void> {
    const { id, kind } = command;
    const result = await this.#parts.execute(command);
    if (result === null || signal.aborted) return;
    const { report, ...told } = result;
    const found = report === undefined ? {} : { found: report.failure?.reason ?? report.result };
    this.#parts.logger.info({ commandId: id, kind, ...told, ...found }, `${kind} ${result.state}`);
    await this.#report(id, result, signal);
  }

  async #report(id: string, result: CommandResult, signal: AbortSignal): Promise<void> {
    const backOff = new BackOff(RETRY);
    while (!signal.aborted) {
      try {
        await this.#parts.api.commandResult(id, result, signal);
        return;
      } catch (thrown) {
        const error = toLmsError(thrown);
        if (FINAL_REFUSALS.has(error.code)) {
          this.#parts.logger.warn({ commandId: id }, `the manager does not take the result: ${error.message}`);
          return;
        }
        await pause(backOff.failed(), signal);
      }
    }
  }
}
