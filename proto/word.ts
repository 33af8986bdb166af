/** The names of a generated enum that mean something: the design's own words. */
export type Word<Words extends Readonly<Record<string, number>>> = Exclude<
  keyof Words & string,
  'UNSPECIFIED' | 'UNRECOGNIZED'
>;

/**
 * `wordOf(ReplicationState, 5)` is `'CONTINUOUS'`; null when it is unspecified, or from a newer version than this.
 * The way back is `ReplicationState[word]`.
 */
export function wordOf<Words extends Readonly<Record<string, number>>>(
  words: Words,
  value: number,
): Word<Words> | null {
  if (value <= 0) return null;
  for (const [word, number] of Object.entries(words)) if (number === value) return word as Word<Words>;
  return null;
}
