/** What came of a run of the simulation or of a test file in a copy of the source. */
export type Verdict =
  | { readonly type: 'green' }
  /** A property did not hold: what a break must come to. */
  | { readonly type: 'red'; readonly where: string; readonly said: string }
  /** Anything else than a property that did not hold: it cannot be loaded, it crashed, it took too long. */
  | { readonly type: 'broken'; readonly output: string };

/** The last part of an output: enough to see what went wrong. */
export function endOf(output: string): string {
  return output.trim().slice(-2_000);
}
