/**
 * Tries breaks, some at once: each in a copy of its own, first by what found it before, then by everything that may.
 *
 * A break counts as found when its copy is red and the copy without a break is green by the very same run.
 */
import { availableParallelism } from 'node:os';
import { SEEDS_OF_MAKE_TEST } from '../simulation/seeds.ts';
import type { Break } from './break.ts';
import { simulate } from './simulation-run.ts';
import { SourceCopy } from './source-copy.ts';
import { runTest } from './test-run.ts';
import type { Verdict } from './verdict.ts';

export interface Finding {
  readonly rule: string;
  readonly what: string;
  /** The seed or the test file that found it. */
  readonly where: string;
  readonly said: string;
}

export class Search implements Disposable {
  readonly #signal: AbortSignal;
  readonly #intact = new SourceCopy();
  /** Verdicts of the copy without a break, by what was run. */
  readonly #intactVerdicts = new Map<string, Promise<Verdict>>();
  readonly #waiting: (() => void)[] = [];
  #free = availableParallelism();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Rejects, with what is to be done, when the break is not found. */
  async find(broken: Break): Promise<Finding> {
    const verdict = await this.#inTurn(() => this.#tryBreak(broken));
    const { rule, what, by } = broken;
    if (verdict.type === 'green') {
      const finder = 'test' in by ? by.test : `the simulation with seeds 1 to ${SEEDS_OF_MAKE_TEST}`;
      throw new Error(`${rule} "${what}": ${finder} stays green`);
    }
    if (verdict.type === 'broken') {
      throw new Error(
        `${rule} "${what}": the run ended otherwise than by a property that does not hold:\n${verdict.output}`,
      );
    }
    const intact = await this.#intactVerdict(verdict.where);
    if (intact.type !== 'green') {
      const why = intact.type === 'red' ? intact.said : intact.output;
      throw new Error(`${verdict.where} is not green without the break "${what}" either:\n${why}`);
    }
    return { rule, what, where: verdict.where, said: verdict.said };
  }

  [Symbol.dispose](): void {
    this.#intact[Symbol.dispose]();
  }

  async #tryBreak(broken: Break): Promise<Verdict> {
    const copy = new SourceCopy();
    try {
      copy.apply(broken);
      const { by } = broken;
      if ('test' in by) return await runTest(copy, by.test, this.#signal);
      const first = await simulate(copy, by.seed, 1, this.#signal);
      if (first.type === 'red') return first;
      return await simulate(copy, 1, SEEDS_OF_MAKE_TEST, this.#signal);
    } finally {
      copy[Symbol.dispose]();
    }
  }

  #intactVerdict(where: string): Promise<Verdict> {
    const known = this.#intactVerdicts.get(where);
    if (known !== undefined) return known;
    const seed = /^seed (?<seed>\d+)$/.exec(where)?.groups?.['seed'];
    const verdict = this.#inTurn(() =>
      seed === undefined
        ? runTest(this.#intact, where, this.#signal)
        : simulate(this.#intact, Number(seed), 1, this.#signal),
    );
    this.#intactVerdicts.set(where, verdict);
    return verdict;
  }

  async #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      this.#signal.throwIfAborted();
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
