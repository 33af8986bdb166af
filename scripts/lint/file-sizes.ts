// Files stay small: a file is one concept, and one that grows past a screenful of concepts is split, not scrolled.
//
// The limits are a ratchet: they may be tightened when the tree has become better, never loosened.

import { isTypeScript } from './tree.ts';
import type { SourceFile } from './tree.ts';

/** Half of all files fit on two screens. */
const MEDIAN_LINES = 120;
/** Nine of ten files can be read in one sitting. */
const NINETIETH_PERCENTILE_LINES = 350;
/** No file is longer. */
const MAXIMUM_LINES = 500;

function percentile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

export function checkFileSizes(tree: readonly SourceFile[]): string[] {
  const files = tree.filter(isTypeScript).map(({ path, lines }) => ({ path, count: lines.length }));
  const counts = files.map(({ count }) => count).toSorted((left, right) => left - right);
  const findings = files
    .filter(({ count }) => count > MAXIMUM_LINES)
    .map(({ path, count }) => `${path}: ${count} lines, at most ${MAXIMUM_LINES}: split it by concept`);
  const median = percentile(counts, 0.5);
  if (median > MEDIAN_LINES) findings.push(`the median file has ${median} lines, at most ${MEDIAN_LINES}`);
  const ninetieth = percentile(counts, 0.9);
  if (ninetieth > NINETIETH_PERCENTILE_LINES)
    findings.push(`one file in ten has more than ${ninetieth} lines, at most ${NINETIETH_PERCENTILE_LINES}`);
  return findings;
}
