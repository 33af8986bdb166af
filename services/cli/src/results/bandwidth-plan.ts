import { formatLinkRate, type Distribution, type GroupMachine, type GroupPlan } from '@lms/bandwidth-model';
import { formatBytes, formatDurationSeconds, formatFields, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export interface PlanQuestion {
  readonly link: number;
  readonly headroom: number;
}

export function bandwidthPlanResult(
  machines: readonly GroupMachine[],
  plan: GroupPlan,
  { link, headroom }: PlanQuestion,
): Result {
  const value = {
    linkBitsPerSecond: link,
    headroom,
    needed: bitsOf(plan.needed),
    converges: plan.converges,
    comfortable: plan.comfortable,
    leaveOut: plan.leaveOut,
    throttled: plan.throttled,
    unknown: plan.unknown,
    machines: machines.map(({ name, need, remainingWireBytes, limitBitsPerSecond }) => ({
      name,
      needed: bitsOf(plan.neededOf.get(name) ?? null),
      compressionRatio: need.compressionRatio,
      measuredSeconds: need.measuredSeconds,
      limitBitsPerSecond,
      initialSync: initialSyncOf(plan, name, remainingWireBytes),
    })),
    advice: adviceOf(plan, link),
  };
  return {
    value,
    names: () => plan.copies.map(({ name }) => name),
    table: () => tableOf(value),
  };
}

type PlanValue = {
  readonly linkBitsPerSecond: number;
  readonly headroom: number;
  readonly needed: ReturnType<typeof bitsOf>;
  readonly converges: boolean | null;
  readonly machines: readonly {
    readonly name: string;
    readonly needed: ReturnType<typeof bitsOf>;
    readonly initialSync: ReturnType<typeof initialSyncOf>;
  }[];
  readonly advice: string;
};

function bitsOf(needed: Distribution | null) {
  if (needed === null) return null;
  return {
    averageBitsPerSecond: Math.ceil(needed.average),
    p95BitsPerSecond: Math.ceil(needed.p95),
    peakBitsPerSecond: Math.ceil(needed.peak),
  };
}

/** Null: there is none to be done. */
function initialSyncOf(plan: GroupPlan, name: string, remainingWireBytes: number | null) {
  const index = plan.copies.findIndex((copy) => copy.name === name);
  const copy = plan.copies[index];
  if (copy === undefined) return null;
  const { startsAfterSeconds, seconds } = copy;
  return { order: index + 1, wireBytes: Math.round(remainingWireBytes ?? 0), startsAfterSeconds, seconds };
}

function adviceOf(plan: GroupPlan, link: number): string {
  const advice: string[] = [];
  const p95 = formatLinkRate(plan.needed?.p95 ?? null);
  if (plan.converges === null) {
    advice.push(
      'Nothing is known about writes yet: wait some minutes after the agents have begun, or measure with lms-agent bandwidth.',
    );
  } else if (!plan.converges) {
    advice.push(
      `${formatLinkRate(link)} is less than these machines change: give the link at least ${p95}, or leave for later: ${plan.leaveOut.join(', ')}.`,
    );
  } else if (plan.comfortable === true) {
    advice.push(`${formatLinkRate(link)} carries these machines when all are continuous, with headroom.`);
  } else {
    advice.push(`${formatLinkRate(link)} carries these machines, with lag at busy times; ${p95} has the headroom.`);
  }
  if (plan.throttled.length > 0) {
    advice.push(`Limits in Replication Settings are below what is needed on average: ${plan.throttled.join(', ')}.`);
  }
  if (plan.unknown.length > 0)
    advice.push(`Not in the sums, since their writes are not known: ${plan.unknown.join(', ')}.`);
  if (plan.copies.some(({ seconds }) => seconds === null)) {
    advice.push('Initial syncs without a time would never end in this order and at this rate.');
  }
  return advice.join(' ');
}

function tableOf(value: PlanValue): string {
  const machines = formatTable(
    ['MACHINE', 'NEEDS ON AVERAGE', 'P95', 'PEAK', 'INITIAL SYNC', 'BEGINS AFTER', 'TAKES'],
    value.machines.map(({ name, needed, initialSync }) => [
      name,
      formatLinkRate(needed?.averageBitsPerSecond ?? null),
      formatLinkRate(needed?.p95BitsPerSecond ?? null),
      formatLinkRate(needed?.peakBitsPerSecond ?? null),
      ...(initialSync === null
        ? ['done', '', '']
        : [
            `${initialSync.order}. (${formatBytes(initialSync.wireBytes)})`,
            duration(initialSync.startsAfterSeconds),
            duration(initialSync.seconds),
          ]),
    ]),
  );
  const { needed } = value;
  const fields = formatFields([
    [
      'all together',
      needed === null
        ? 'unknown'
        : `${formatLinkRate(needed.averageBitsPerSecond)} on average, ${formatLinkRate(needed.p95BitsPerSecond)} for 95 % of the time, ${formatLinkRate(needed.peakBitsPerSecond)} at the peak (with headroom: × ${value.headroom})`,
    ],
    ['link', formatLinkRate(value.linkBitsPerSecond)],
    ['converges', value.converges === null ? 'unknown' : value.converges ? 'yes' : 'no'],
  ]);
  return `${machines}\n\n${fields}\n\n${value.advice}`;
}

function duration(seconds: number | null): string {
  return seconds === null ? 'never' : formatDurationSeconds(seconds);
}
