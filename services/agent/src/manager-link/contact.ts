/** Whether the manager answers. Said in the log when it changes, and not at every attempt of an hour's absence. */
import { toLmsError } from '@lms/errors';
import type { Logger } from '@lms/telemetry';

export class ManagerContact {
  readonly #logger: Logger;
  #lastAt: string | null = null;
  #failure: string | null = null;
  #lastFailure: { readonly message: string; readonly at: string } | null = null;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** RFC 3339; null: not since the agent started. */
  get lastAt(): string | null {
    return this.#lastAt;
  }

  /** One sentence while it does not answer. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Also when it answers again: it is told then why it was not heard. */
  get lastFailure(): { readonly message: string; readonly at: string } | null {
    return this.#lastFailure;
  }

  succeeded(): void {
    if (this.#failure !== null) this.#logger.info('the manager answers again');
    this.#failure = null;
    this.#lastAt = new Date().toISOString();
  }

  failed(thrown: unknown): void {
    const error = toLmsError(thrown);
    if (this.#failure !== error.message) {
      this.#logger.warn({ code: error.code, action: error.action }, `the manager does not answer: ${error.message}`);
    }
    this.#failure = error.message;
    this.#lastFailure = { message: error.message, at: new Date().toISOString() };
  }
}
