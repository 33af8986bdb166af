import type { CheckReason } from './reasons.ts';

/** Why a step failed. Thrown within a check, and put into its report; it never leaves this package. */
export class StepFailure extends Error {
  readonly reason: CheckReason;

  constructor(reason: CheckReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StepFailure';
    this.reason = reason;
  }
}
