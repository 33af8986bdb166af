// Random decisions of a test, which can be repeated: LMS_SEED=… replays one run's.

import process from 'node:process';

export interface SeededChoice {
  readonly seed: number;
  /** A whole number from 0 up to and without this one. */
  below(limit: number): number;
}

/** Prints its seed, so that a failure can be repeated. */
export function seededChoice(purpose: string): SeededChoice {
  const given = process.env['LMS_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  process.stderr.write(`${purpose}: LMS_SEED=${seed}\n`);
  let state = seed;
  return {
    seed,
    // mulberry32
    below(limit) {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
    },
  };
}
