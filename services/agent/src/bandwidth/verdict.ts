/** One sentence about the figures, and what to do. */
import { formatLinkRate } from '@lms/bandwidth-model';
import { formatDurationSeconds } from '@lms/command-line';
import type { Assessment, AssessmentOptions } from '@lms/bandwidth-model';

export interface Verdict {
  readonly sentence: string;
  readonly action: string | null;
}

/** A peak that is longer than the link carries shows as lag, not as failure. */
export function verdictOf(options: AssessmentOptions, assessment: Assessment): Verdict {
  const { needed, lag, converges } = assessment;
  const { linkBitsPerSecond } = options;
  const p95 = formatLinkRate(needed.p95);
  if (linkBitsPerSecond === null) {
    const needs =
      needed.peak === 0 ? 'Nothing was written while this was measured' : `Port 1500 needs ${p95} for this machine`;
    return {
      sentence: `${needs}; what the link carries is not known, so nothing can be said about time.`,
      action: 'Give it with --limit 50Mbit/s, or measure again after enrolment, with --state-dir.',
    };
  }
  if (converges === false) return divergence(options, assessment, linkBitsPerSecond);
  const link = formatLinkRate(linkBitsPerSecond);
  if (linkBitsPerSecond >= needed.p95) return { sentence: `${link} is enough: replication converges.`, action: null };
  const late = lag === null ? '' : `, and lag will rise to ${formatDurationSeconds(lag.peak)} at times`;
  return {
    sentence: `Replication converges with ${link}, with less headroom than is wise${late}.`,
    action: `With ${p95} it has the headroom.`,
  };
}

function divergence(options: AssessmentOptions, { needed, initialSync }: Assessment, bitsPerSecond: number): Verdict {
  const { headroom, mayFreeze } = options;
  const link = formatLinkRate(bitsPerSecond);
  const average = needed.average / headroom;
  if (!mayFreeze && initialSync?.seconds !== null && bitsPerSecond > average) {
    return {
      sentence:
        'Replication would have no points in time: writes never pause, and no file system of these disks can be frozen.',
      action:
        'More bandwidth does not help: mount its file systems, switch freezing on, or let the writer pause at times.',
    };
  }
  return {
    sentence: `Replication would not converge: ${link} is less than what this machine changes (${formatLinkRate(average)} on average, in bursts more).`,
    action: `Give it at least ${formatLinkRate(needed.p95)}, leave disks out that need not be replicated (swap, caches), or let it write less.`,
  };
}
