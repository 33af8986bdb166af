/**
 * Goes on trying where the manager, or what is between, is away for a while: with growing pauses, as long as something comes
 * now and then. What will not pass by itself (no such point, rotten data, a full disk here) ends it at once.
 */
import { CommandError, formatDurationSeconds } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import type { LmsError } from '@lms/errors';
import { BackOff, pause } from '@lms/service';

const BACK_OFF = { firstMilliseconds: 250, longestMilliseconds: 10_000 };
/** An interruption of one attempt or two is everyday's; from here on people are told. */
const TOLD_FROM_FAILURES = 3;

export interface PatienceOptions {
  /** Without progress. */
  readonly limitMilliseconds: number;
  readonly signal: AbortSignal;
  /** At each failure, before a pause. */
  readonly onPause: (error: LmsError, milliseconds: number) => void;
  /** Once in each interruption that lasts. */
  readonly onOutage: (error: LmsError) => Promise<void>;
}

export class Patience {
  readonly #options: PatienceOptions;
  readonly #backOff = new BackOff(BACK_OFF);
  #progressAt = performance.now();

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Something came. */
  progressed(): void {
    this.#progressAt = performance.now();
    this.#backOff.succeeded();
  }

  /** Until it succeeds. */
  async keepTrying<Value>(attempt: () => Promise<Value>): Promise<Value> {
    for (;;) {
      try {
        return await attempt();
      } catch (thrown) {
        await this.failed(thrown);
      }
    }
  }

  /** Resolves when it is time for the next attempt; throws when there is none. */
  async failed(thrown: unknown): Promise<void> {
    const { signal, limitMilliseconds, onPause, onOutage } = this.#options;
    signal.throwIfAborted();
    const error = toLmsError(thrown);
    if (!mayPass(error)) throw error;
    if (performance.now() - this.#progressAt >= limitMilliseconds) throw gaveUp(error, limitMilliseconds);
    const milliseconds = this.#backOff.failed();
    if (this.#backOff.failures === TOLD_FROM_FAILURES) await onOutage(error);
    onPause(error, milliseconds);
    await pause(milliseconds, signal);
    signal.throwIfAborted();
  }
}

/** CANCELLED: the other side of the gateway went, or the gateway itself. FAILED_PRECONDITION: both sides missed each other. */
function mayPass(error: LmsError): boolean {
  if (error instanceof CommandError) return false;
  return error.retryable || error.code === 'CANCELLED' || error.code === 'FAILED_PRECONDITION';
}

function gaveUp(cause: LmsError, limitMilliseconds: number): CommandError {
  const time = formatDurationSeconds(limitMilliseconds / 1_000);
  return new CommandError('timedOut', 'DEADLINE_EXCEEDED', `nothing came for ${time}: ${cause.message}`, {
    action: 'See `lms status`; then go on with the same command and --resume.',
    cause,
  });
}
