/**
 * Ages of blocks, in ticks, in steps that grow by about a quarter: exact where sweeps are (a second or two), and few enough
 * that a day of ticks fits in memory. An age counts as the step that it falls into, which is its lower end.
 */
const GROWTH = 1.25;
const LARGEST_AGE_TICKS = 400_000;

function ageSteps(): number[] {
  const steps = [1];
  for (;;) {
    const last = steps.at(-1) as number;
    const next = Math.max(last + 1, Math.floor(last * GROWTH));
    if (next > LARGEST_AGE_TICKS) return steps;
    steps.push(next);
  }
}

export const AGE_STEPS_TICKS: readonly number[] = ageSteps();

/** The step that an age of at least 1 falls into. */
export function stepOfAge(ageTicks: number): number {
  let low = 0;
  let high = AGE_STEPS_TICKS.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((AGE_STEPS_TICKS[middle] as number) <= ageTicks) low = middle;
    else high = middle - 1;
  }
  return low;
}
