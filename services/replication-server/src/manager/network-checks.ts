/**
 * The way to the manager, checked when an operator asks for it: one check after another, each once. A check stays in the
 * assignments until its result was taken; after a restart it is made anew.
 */
import type { CheckReport, ReplicationServerApi, ReplicationServerCheck, TaskResult } from '@lms/api';
import { toLmsError } from '@lms/errors';
import { reportResult } from './result-report.ts';

export interface NetworkChecksOptions {
  readonly api: Pick<ReplicationServerApi, 'taskResult'>;
  readonly check: (signal: AbortSignal) => Promise<CheckReport>;
  readonly onFinished: (id: string, found: string) => void;
  readonly signal: AbortSignal;
}

export class NetworkChecks {
  readonly #options: NetworkChecksOptions;
  /** Waiting, under way, or known until the manager lists them no more. */
  readonly #known = new Set<string>();
  #working: Promise<void> = Promise.resolve();

  constructor(options: NetworkChecksOptions) {
    this.#options = options;
  }

  /** All that the manager lists now. */
  update(checks: readonly ReplicationServerCheck[]): void {
    const listed = new Set(checks.map(({ id }) => id));
    for (const id of this.#known) if (!listed.has(id)) this.#known.delete(id);
    for (const check of checks) {
      if (this.#known.has(check.id)) continue;
      this.#known.add(check.id);
      this.#working = this.#working.then(() => this.#carryOut(check));
    }
  }

  /** Resolves when those under way have ended. */
  async idle(): Promise<void> {
    await this.#working;
  }

  async #carryOut({ id, remainingSeconds }: ReplicationServerCheck): Promise<void> {
    const { api, check, onFinished, signal } = this.#options;
    if (signal.aborted || !this.#known.has(id)) return;
    let result: TaskResult;
    try {
      const checkReport = await check(
        AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(remainingSeconds * 1_000))]),
      );
      onFinished(id, checkReport.failure?.reason ?? checkReport.result);
      result = { state: 'succeeded', checkReport };
    } catch (thrown) {
      const { code, message } = toLmsError(thrown);
      onFinished(id, message);
      result = { state: 'failed', code, message };
    }
    // Interrupted by our own stop: the next process makes it again.
    if (signal.aborted) return;
    await reportResult(api, id, result, signal);
  }
}
