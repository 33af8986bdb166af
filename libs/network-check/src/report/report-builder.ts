/**
 * Forms the report of one check: each step timed, the first that fails explained, those behind it skipped.
 *
 * A step that fails ends the check, since what comes after would only tell the same; a warning does not.
 */
import { performance } from 'node:perf_hooks';
import type { CheckFailure, CheckReport, CheckStep, CheckStepName, CheckTarget } from '@lms/api';
import { toLmsError } from '@lms/errors';
import { CHECK_REASONS } from './reasons.ts';
import type { CheckReason } from './reasons.ts';
import { StepFailure } from './step-failure.ts';

const MAXIMUM_DETAIL_CHARACTERS = 1_024;

export interface StepOutcome {
  readonly detail: string;
  /** It went on, and this is not as it should be. */
  readonly warning?: CheckReason;
  /** It was not tried; the detail says why. */
  readonly skipped?: boolean;
}

export interface CheckSubject {
  readonly target: CheckTarget;
  readonly from: CheckReport['from'];
  readonly to: string;
  readonly proxy: string | null;
  readonly at: Date;
}

/** The end of a check that a step has failed; only `ReportBuilder` makes it. */
export class CheckEnded extends Error {}

export class ReportBuilder {
  readonly #subject: CheckSubject;
  readonly #signal: AbortSignal;
  readonly #steps: CheckStep[] = [];
  #failure: CheckFailure | null = null;
  #warning: CheckFailure | null = null;

  constructor(subject: CheckSubject, signal: AbortSignal) {
    this.#subject = subject;
    this.#signal = signal;
  }

  /** Runs one step. Throws `CheckEnded` when it fails, and the signal's reason when that aborts. */
  async step<Value>(
    name: CheckStepName,
    work: () => Promise<{ readonly outcome: StepOutcome; readonly value: Value }>,
  ): Promise<Value> {
    const startedAt = performance.now();
    try {
      this.#signal.throwIfAborted();
      const { outcome, value } = await work();
      this.#add(name, startedAt, outcome);
      return value;
    } catch (thrown) {
      this.#signal.throwIfAborted();
      const failure = asStepFailure(thrown);
      this.#push(name, 'failed', startedAt, failure.message, failure.reason);
      this.#failure = explain(name, failure.reason, failure.message);
      throw new CheckEnded(failure.message, { cause: thrown });
    }
  }

  /** A step that was seen beside others, or means nothing here. */
  note(name: CheckStepName, outcome: StepOutcome): void {
    this.#add(name, performance.now(), outcome);
  }

  report(): CheckReport {
    const { target, from, to, proxy, at } = this.#subject;
    const result = this.#failure !== null ? 'failed' : this.#warning === null ? 'passed' : 'warning';
    return {
      target,
      from,
      to: shorten(to, 512),
      proxy,
      at: at.toISOString(),
      result,
      steps: [...this.#steps],
      failure: this.#failure ?? this.#warning,
    };
  }

  #add(name: CheckStepName, startedAt: number, { detail, warning, skipped }: StepOutcome): void {
    const state = skipped === true ? 'skipped' : warning === undefined ? 'passed' : 'warning';
    this.#push(name, state, startedAt, detail, warning ?? null);
    if (warning !== undefined) this.#warning ??= explain(name, warning, detail);
  }

  #push(
    name: CheckStepName,
    state: CheckStep['state'],
    startedAt: number,
    detail: string,
    reason: string | null,
  ): void {
    const milliseconds = Math.round(performance.now() - startedAt);
    this.#steps.push({ name, state, milliseconds, detail: shorten(detail, MAXIMUM_DETAIL_CHARACTERS), reason });
  }
}

export function explain(step: CheckStepName, reason: CheckReason, message: string): CheckFailure {
  const { causes, action } = CHECK_REASONS[reason];
  return { step, reason, message: shorten(message, MAXIMUM_DETAIL_CHARACTERS), causes: [...causes], action };
}

function asStepFailure(thrown: unknown): StepFailure {
  return thrown instanceof StepFailure ? thrown : new StepFailure('CHECK_FAILED', toLmsError(thrown).message, thrown);
}

/** What other ends say comes into reports: bounded, and without control characters. */
function shorten(text: string, maximum: number): string {
  const clean = text.replaceAll(/\p{Cc}+/gu, ' ');
  return clean.length <= maximum ? clean : `${clean.slice(0, maximum - 1)}…`;
}
